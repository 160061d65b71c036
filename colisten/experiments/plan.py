"""The plan of an experiment and the folder of what it showed: written by whoever shows shelves,
read by the report.

A folder holds `plan.json` and the logs `exposures/` and `interactions/`. It is named by a digest of
the plan: shelves of another plan, which drew users otherwise, never lie among those of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.contract import EXPOSURES, INTERACTIONS, TEXT
from colisten.data.table_log import logged
from colisten.errors import ConfigError, ReportError
from colisten.json_files import read_mapping, to_json, write_json
from colisten.settings.experiment import ExperimentSettings
from colisten.settings.shares import check_control, planned_shares
from colisten.words import identifier

PLAN = "plan.json"
FOLDER = "exposures"
SIMULATED = "experiment"

SHOWN = EXPOSURES.schema.append(pa.field("quality", TEXT.arrow))
DONE = INTERACTIONS.schema.append(pa.field("recommendation_id", TEXT.arrow))
"""Columns of the logs: the contract's, and a shelf's worth or of which answer an event came."""


@dataclass(frozen=True)
class ExperimentPlan:
    """Which arms there are.

    Attributes:
        name: Salt of the assignment.
        control: Arm that the others are compared with.
        shares: By arm its share of users.
        shows: By arm what it shows: live, popular, or the id of a release.
    """

    name: str
    control: str
    shares: dict[str, float]
    shows: dict[str, str]

    @classmethod
    def of(cls, settings: ExperimentSettings) -> ExperimentPlan:
        """As settings say it."""
        return cls(
            settings.name,
            settings.control or next(iter(settings.arms)),
            settings.shares,
            {name: arm.shows for name, arm in settings.arms.items()},
        )

    @classmethod
    def read(cls, folder: Path) -> ExperimentPlan | None:
        """The plan of a folder; None where it has none.

        Raises:
            ReportError: What lies there is no plan.
        """
        file = folder / PLAN
        try:
            content = read_mapping(file)
            plan = cls(**content)
            check_control(plan.control, planned_shares(plan.shares))
            return plan
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, ConfigError) as error:
            raise ReportError(
                f"{file} is no plan: {error}.", "Name --control and --shares, and move it away."
            ) from error

    def folder(self, out: Path) -> Path:
        """Where below an output folder its log lies."""
        digest = sha256(to_json(asdict(self), sort=True).encode()).hexdigest()
        return out / FOLDER / f"{identifier(self.name)}-{digest[:8]}"

    def write(self, folder: Path) -> None:
        """Write it, where it is not there yet.

        Raises:
            OSError: It cannot be written.
        """
        if not (folder / PLAN).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / PLAN, asdict(self))


def latest_experiment(out: Path) -> Path:
    """The folder of an output folder in which something was shown last; the simulated one else."""
    folders = [out / SIMULATED, *sorted((out / FOLDER).glob("*/"))]
    shown = {folder: _written(folder) for folder in folders}
    return max(folders, key=lambda folder: shown[folder])


@contextmanager
def experiment_tables(folder: Path) -> Iterator[Path]:
    """A folder with the tables of an experiment, whether they lie there whole or as a log.

    Raises:
        FileError: A log has other columns.
        OSError: It cannot be read.
    """
    if not any((folder / table.name).is_dir() for table in (EXPOSURES, INTERACTIONS)):
        yield folder
        return
    with TemporaryDirectory(prefix="colisten-experiment-") as temporary:
        export_log(folder, Path(temporary))
        yield Path(temporary)


def export_log(folder: Path, into: Path) -> tuple[int, int]:
    """Write the log of an experiment as tables of the contract.

    Events of items that were never shown are left out: nothing of an experiment hangs on them.

    Args:
        folder: Of the experiment.
        into: Gets exposures.parquet and interactions.parquet.

    Returns:
        How many exposures and events.

    Raises:
        FileError: A log has other columns.
        OSError: It cannot be read or written.
    """
    items: set[str] = set()

    def note(batch: pa.RecordBatch) -> pa.RecordBatch:
        items.update(pc.unique(batch.column("item_id").drop_null()).to_pylist())
        return batch

    def of_shown(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.is_in(batch.column("item_id"), pa.array(sorted(items), pa.string())))

    shown = _export(folder, EXPOSURES.name, SHOWN, into / EXPOSURES.file_name, note)
    done = _export(folder, INTERACTIONS.name, DONE, into / INTERACTIONS.file_name, of_shown)
    return shown, done


def _export(
    folder: Path,
    name: str,
    schema: pa.Schema,
    file: Path,
    change: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> int:
    rows = 0
    with parquet.writer(file, schema) as writer:
        for batch in logged(folder / name, schema):
            kept = change(batch)
            writer.write_batch(kept)
            rows += kept.num_rows
    return rows


def _written(folder: Path) -> float:
    """When something was last written of what was shown there, in seconds; -1 where nothing."""
    files = [folder / EXPOSURES.file_name, *(folder / EXPOSURES.name).glob("*")]
    return max((file.stat().st_mtime for file in files if file.is_file()), default=-1.0)
