"""Tables that lie as many files hold what their files hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.cli.app import program
from colisten.data.checks import check_tables as check
from colisten.data.gather import gathered
from colisten.errors import TableError
from colisten.files import folder_digests
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.steps.check_tables import check_tables
from tests.conftest import CUT
from tests.data.sources import copy_source


def parted(source: Path, folder: Path, by: str = "signal", *, keep: bool = False) -> Path:
    """The tables with interactions in a folder a value; the column in the files where kept."""
    copy_source(source, folder)
    table = pq.read_table(folder / "interactions.parquet")
    (folder / "interactions.parquet").unlink()
    for value in pc.unique(table.column(by)).to_pylist():
        part = folder / "interactions" / f"{by}={value}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        rows = table.filter(pc.equal(table.column(by), value))
        pq.write_table(rows if keep else rows.drop_columns([by]), part)
    return folder


def interactions(folder: Path) -> pa.Table:
    with gathered(folder) as tables:
        return pq.read_table(tables / "interactions.parquet")


def test_a_folder_of_files_is_itself(tiny_source: Path) -> None:
    with gathered(tiny_source) as tables:
        assert tables == tiny_source


def test_what_spark_took_out_of_the_files_comes_back(tiny_source: Path, tmp_path: Path) -> None:
    folder = parted(tiny_source, tmp_path / "parted")
    with gathered(folder) as tables:
        assert check(tables) == check(copy_source(tiny_source, tmp_path / "one"))
    assert not tables.exists()


def test_however_tables_lie_the_same_is_learned_from(tiny_source: Path, tmp_path: Path) -> None:
    digests = []
    for name, folder in {
        "one": copy_source(tiny_source, tmp_path / "whole"),
        "parted": parted(tiny_source, tmp_path / "parted"),
        "kept": parted(tiny_source, tmp_path / "kept", "item_type", keep=True),
    }.items():
        made = check_tables(
            folder, "", CUT, 30, data=DataSettings(), engine=Engine(), out=tmp_path / name / "out"
        )
        digests.append(folder_digests(made.history.folder))
    assert digests[0] == digests[1] == digests[2]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", ""]), st.integers(-5, 5)), min_size=1, max_size=9
    ),
    st.sampled_from(["user_id=x", "user_id=", "signal=other", "rows=7", "user%5Fid=x"]),
    st.integers(1, 4),
)
def test_a_path_never_says_otherwise_than_a_file(
    rows: list[tuple[str, int]], part: str, files: int
) -> None:
    table = pa.table({"user_id": [one for one, _ in rows], "signal": [two for _, two in rows]})
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for at in range(files):
            place = folder / "interactions" / part / f"{at}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.slice(len(rows) * at // files, len(rows) // files + 1), place)
        expected = pa.concat_tables(
            table.slice(len(rows) * at // files, len(rows) // files + 1) for at in range(files)
        )
        assert interactions(folder).select(["user_id", "signal"]).equals(expected)


def test_columns_that_came_later_are_null_before(tiny_source: Path, tmp_path: Path) -> None:
    folder = parted(tiny_source, tmp_path / "parted", keep=True)
    last = sorted((folder / "interactions").rglob("*.parquet"))[-1]
    table = pq.read_table(last)
    pq.write_table(table.append_column("duration_ms", pa.nulls(len(table), pa.int32())), last)
    first = sorted((folder / "interactions").rglob("*.parquet"))[0]
    before = pq.read_table(first)
    pq.write_table(
        before.append_column("duration_ms", pa.array([1] * len(before), pa.int64())), first
    )
    read = interactions(folder)
    assert read.schema.field("duration_ms").type == pa.int64()
    assert read.column("duration_ms").null_count == len(read) - len(before)


def test_nobodys_files_are_no_rows(tiny_source: Path, tmp_path: Path) -> None:
    folder = parted(tiny_source, tmp_path / "parted")
    before = interactions(folder)
    inside = folder / "interactions"
    for name in ("_SUCCESS", ".part-0.parquet.crc", "_temporary/0/part-9.parquet", ".x/y.parquet"):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(b"no parquet")
    assert interactions(folder).equals(before)


def _empty(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


def _misfit(folder: Path) -> None:
    file = sorted((folder / "interactions").rglob("*.parquet"))[-1]
    table = pq.read_table(file)
    moments = table.column("timestamp").cast(pa.timestamp("us"))
    at = table.schema.get_field_index("timestamp")
    pq.write_table(table.set_column(at, "timestamp", moments), file)


def _twice(folder: Path) -> None:
    file = sorted((folder / "interactions").rglob("*.parquet"))[0]
    table = pq.read_table(file)
    pq.write_table(table.append_column("user_id", table.column("user_id")), file)


SPOILT: dict[str, Callable[[Path], None]] = {
    "is a Delta table": lambda folder: _empty(folder, "interactions/_delta_log/0.json"),
    "is an Iceberg table": lambda folder: _empty(folder, "items/metadata/v1.metadata.json"),
    "is a Hudi table": lambda folder: _empty(folder, "interactions/.hoodie/x.commit"),
    "is not named as a parquet file": lambda folder: _empty(folder, "interactions/rows.csv"),
    "cannot be read as parquet": lambda folder: _empty(folder, "interactions/a.parquet"),
    "does not fit the files before it": _misfit,
    "occurs twice": _twice,
    "each may be meant": lambda folder: _empty(folder, "interactions.parquet"),
}


@pytest.mark.parametrize("says", SPOILT)
def test_what_cannot_be_meant_is_refused_by_name(
    says: str, tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parted(tiny_source, tmp_path / "parted")
    SPOILT[says](folder)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with pytest.raises(TableError, match=says) as refused, gathered(folder):
        pass
    assert str(folder) in str(refused.value)
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_nearly_named_is_told_the_name(
    tiny_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = parted(tiny_source, tmp_path / "parted")
    (folder / "interactions").rename(folder / "Interaction")
    for more in (False, True):
        if more:  # beside a table that is gathered
            (folder / "items").mkdir()
            shutil.move(folder / "items.parquet", folder / "items" / "0.parquet")
        with pytest.raises(SystemExit):
            program()(["check", "--data", str(folder)])
        assert "Rename the folder 'Interaction' to 'interactions'" in capsys.readouterr().err


def test_days_beside_each_other_are_read_in_their_order(tiny_source: Path, tmp_path: Path) -> None:
    folder = copy_source(tiny_source, tmp_path / "days")
    table = pq.read_table(folder / "interactions.parquet")
    (folder / "interactions.parquet").unlink()
    first = table.column("timestamp")[0].as_py()
    for day in range(0, 240, 30):
        since = pa.scalar(first + timedelta(days=day), table.schema.field("timestamp").type)
        until = pa.scalar(first + timedelta(days=day + 30), since.type)
        moment = table.column("timestamp")
        rows = table.filter(pc.and_(pc.greater_equal(moment, since), pc.less(moment, until)))
        place = folder / "interactions.parquet" / f"date={since.as_py():%Y-%m-%d}" / "p.parquet"
        place.parent.mkdir(parents=True)
        pq.write_table(rows, place)
    assert interactions(folder).select(table.column_names).equals(table)


def test_links_are_gone_behind_once_and_a_link_to_nothing_is_no_table(
    tiny_source: Path, tmp_path: Path
) -> None:
    folder = parted(tiny_source, tmp_path / "a=b c")
    expected = interactions(folder)
    (folder / "interactions").rename(tmp_path / "elsewhere")
    (folder / "interactions").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere")
    assert interactions(folder).equals(expected)
    (tmp_path / "elsewhere" / "gone.parquet").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TableError, match=r"gone\.parquet"), gathered(folder):
        pass
