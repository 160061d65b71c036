"""What the arms of a simulated experiment are worth in truth, kept beside it.

A report reads two files of an experiment, what was shown and what was done; these two are for
whoever wants to know whether a report is right:

    truth.parquet   by user and arm the chances of `simulator.expected`, also of arms not theirs
    truth.json      their means by arm, and the relative lifts over the control
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from colisten.data import parquet
from colisten.json_files import write_json
from colisten.simulator.expected import CHANCES, Visits, expected_chances, organic_streams

TRUTH_TABLE = "truth.parquet"
TRUTH = "truth.json"


def write_truth(
    folder: Path,
    truth: Path,
    shelves: Mapping[str, Path],
    *,
    interactions: Path,
    visits: Visits,
    control: str,
) -> dict[str, Any]:
    """Write both files into the folder of an experiment.

    Args:
        folder: Of the experiment.
        truth: The `truth/` folder of the world.
        shelves: Arm -> parquet with user_id, item_id and rank.
        interactions: Parquet file of the world's own, which no showing caused.
        visits: When users come.
        control: Arm that lifts are over.

    Returns:
        What is in `truth.json`.

    Raises:
        TableError: A shelf is not of this world.
        OSError: A file is missing.
    """
    organic = organic_streams(interactions, visits.start)
    chances = {
        arm: expected_chances(truth, parquet.read(file), organic, visits)
        for arm, file in shelves.items()
    }
    rows = [
        table.add_column(1, "variant", pa.array([arm] * table.num_rows, pa.string()))
        for arm, table in chances.items()
    ]
    parquet.write(pa.concat_tables(rows), folder / TRUTH_TABLE)
    said = {
        "start": visits.start.isoformat(),
        "days": visits.days,
        "attribution_hours": visits.attribution_hours,
        "visits_per_user": visits.mean,
        "control": control,
        **truth_of(chances, control),
    }
    write_json(folder / TRUTH, said, indent=1)
    return said


def truth_of(chances: Mapping[str, pa.Table], control: str) -> dict[str, Any]:
    """Means by arm and lifts over the control; a lift over nothing is None.

    Args:
        chances: By arm those of its users, as `expected_chances` gives them.
        control: One of the arms.
    """
    arms = {
        arm: {
            "users": table.num_rows,
            **{name: float(table[name].to_numpy().mean()) for name in CHANCES},
        }
        for arm, table in chances.items()
    }
    base = arms[control]
    lifts = {
        arm: {name: rates[name] / base[name] - 1 if base[name] else None for name in CHANCES}
        for arm, rates in arms.items()
        if arm != control
    }
    return {"arms": arms, "lifts": lifts}
