"""`colisten experiment report` on inputs that analysts bring: done, or one sentence and nothing
written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.cli.app import answer
from colisten.data.contract import EXPOSURES, INTERACTIONS
from colisten.experiments.plan import ExperimentPlan
from tests.experiments.test_design import BROKEN, write_design
from tests.experiments.test_outcomes import Row, event, exposure

PLAN = '{"control": 0.5, "new": 0.5}'


def _lay(folder: Path, arms: tuple[str, ...] = ("control", "new"), users: int = 40) -> None:
    """An experiment of `users`, a quarter of whom start what they were shown."""
    shown: list[Row] = [
        exposure(f"u{n:02}", "a", 0, variant=arms[n % len(arms)]) for n in range(users)
    ]
    done = [event(f"u{n:02}", "a", 1) for n in range(0, users, 4)]
    folder.mkdir()
    (folder / "experiment").mkdir()
    pq.write_table(
        pa.Table.from_pylist(shown, EXPOSURES.schema), folder / "experiment" / "exposures.parquet"
    )
    for place, rows in ((folder, []), (folder / "experiment", done)):
        pq.write_table(
            pa.Table.from_pylist(rows, INTERACTIONS.schema), place / "interactions.parquet"
        )


def _report(folder: Path, *options: str) -> int:
    words = ["experiment", "report", "--data", str(folder), "--out", str(folder)]
    given = {"--target": "audiobook", "--control": "control", "--shares": PLAN}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    for option, value in given.items():
        words += [option, value]
    return answer(words)


def _break(name: str, content: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "experiment" / name
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

    return change


def _cast(name: str, column: str, kind: pa.DataType) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "experiment" / name
        table = pq.ParquetFile(file).read()
        at = table.schema.get_field_index(column)
        pq.write_table(table.set_column(at, column, table[column].cast(kind)), file)

    return change


def _nothing(folder: Path) -> None: ...


@pytest.mark.parametrize(
    ("change", "options", "code"),
    [
        (_nothing, ["--shares", '{"control": 50, "new": 50}'], 2),
        (_nothing, ["--shares", '{"control": 33, "new": 33, "third": 34}'], 2),
        (_nothing, ["--shares", '{"control": 0.5, "new": 0.4}'], 2),
        (_nothing, ["--shares", '["control", "new"]'], 2),
        (_nothing, ["--shares", '{"control": ".5", "new": ".5"}'], 2),
        (_nothing, ["--shares", '{"control": 1, "new": 0}'], 2),
        (_nothing, ["--shares", '{"control": NaN, "new": 0.5}'], 2),
        (_nothing, ["--shares", '{"control": 0.5, "control": 0.5}'], 2),
        (_nothing, ["--shares", "{}"], 2),
        (_nothing, ["--shares", "control=0.5"], 2),
        (_nothing, ["--shares", '{"control": 1.0}'], 2),
        (_nothing, ["--shares", "[" * 50_000], 2),
        (_nothing, ["--control", "nobody"], 2),
        (_nothing, ["--control", "third", "--shares", '{"third": 0.1, "new": 0.9}'], 2),
        (_nothing, ["--hours", "0"], 2),
        (_nothing, ["--hours", "1000000000"], 2),
        (_nothing, ["--hours", "nan"], 2),
        (_nothing, ["--target", "Audiobook"], 2),
        (_nothing, ["--exposures", "nowhere"], 2),
        (_break("exposures.parquet", None), [], 2),
        (_break("exposures.parquet", b""), [], 2),
        (_break("interactions.parquet", None), [], 2),
        (_break("interactions.parquet", b"PAR1 nothing PAR1"), [], 2),
        (_cast("exposures.parquet", "timestamp", pa.timestamp("us")), [], 2),
        (_cast("exposures.parquet", "timestamp", pa.int64()), [], 2),
        (_cast("interactions.parquet", "timestamp", pa.timestamp("ms")), [], 2),
        (_cast("exposures.parquet", "position", pa.string()), [], 2),
    ],
)
def test_a_broken_input_is_one_sentence_and_nothing_is_written(
    change: Callable[[Path], None],
    options: list[str],
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    change(folder)
    assert _report(folder, *options) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.strip()
    assert not (folder / "reports").exists()


@pytest.mark.parametrize(
    "arms",
    [
        ("control",),
        ("control", "[/red] [bold]"),
        ("control", "</script><script>document.title='x'</script>"),
        ("control", "x" * 300),
        ("control", "new", "A&B \"quoted\" 'arm'"),
        ("control", "两塔"),
        ("control", "a\nb"),
    ],
)
def test_arms_of_any_name_are_reported(
    arms: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "[bold] item_type=podcast"
    _lay(folder, arms)
    shares = json.dumps(dict.fromkeys(arms, 1 / len(arms)))
    assert _report(folder, "--shares", shares) == 0
    written = json.loads((folder / "reports" / "experiment.json").read_text())
    assert [arm["name"] for arm in written["arms"]] == ["control", *sorted(arms[1:])]
    assert sum(arm["users"] for arm in written["arms"]) == 40
    assert written["split_is_sound"] is True
    said = capsys.readouterr().out
    assert written["split_verdict"] in said
    assert arms[-1][:20] in said.replace("\n", " ") or "\n" in arms[-1]


def test_files_are_found_as_the_check_finds_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    inside = folder / "experiment"
    (inside / "exposures.parquet").rename(inside / "Exposures.parquet")
    assert _report(folder) == 0
    assert "Rename 'Exposures.parquet'" in capsys.readouterr().err
    (inside / "interactions.parquet").rename(inside / "Interactions.parquet")
    assert _report(folder) == 2
    assert "Rename 'Interactions.parquet' to 'interactions.parquet'" in capsys.readouterr().err


def test_a_catalogue_that_is_not_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    (folder / "items.csv").write_text("item_id,item_type,title\n")
    assert _report(folder) == 0
    assert "Write 'items.csv' as one parquet file" in capsys.readouterr().err
    for name in ("Items.parquet", "items.pq"):
        (folder / name).write_bytes(b"")
    assert _report(folder) == 2
    assert "'Items.parquet' and 'items.pq' may each be meant" in capsys.readouterr().err


def test_a_country_of_the_users_table_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _lay(folder, users=400)
    shown = folder / "experiment" / "exposures.parquet"
    rows = pq.ParquetFile(shown).read().to_pylist()
    # Of Sweden, every fourth user, nobody saw the control's shelf.
    kept = [row for n, row in enumerate(rows) if n % 4]
    pq.write_table(pa.Table.from_pylist(kept, EXPOSURES.schema), shown)
    countries = ["SE" if n % 4 in (0, 1) else "DE" for n in range(400)]
    users = {"user_id": [f"u{n:02}" for n in range(400)], "country": countries}
    pq.write_table(
        pa.table({**users, "age": pa.nulls(400, pa.float32())}), folder / "users.parquet"
    )
    assert _report(folder) == 1
    written = json.loads((folder / "reports" / "experiment.json").read_text())
    assert written["split_is_sound"] is False
    assert "It lies in the country 'SE' alone" in written["split_cause"]
    assert written["planned_users"] == {"control": 150.0, "new": 150.0}
    broken = next(one for one in written["slices"] if one["value"] == "SE")
    assert broken["users"] == {"control": 0, "new": 100}
    page = (folder / "reports" / "experiment.html").read_text()
    order = [
        "Before any result: the split is broken",
        "Users per arm",
        "Rows of the experiment",
        "Not to be trusted: lift",
    ]
    # Of every fourth user who starts something, none was shown anything any more.
    assert written["rows"]["showings"] == 300
    assert written["rows"]["orphan_events"] == written["rows"]["events"] == 100
    assert sorted(order, key=page.index) == order


def test_the_terminal_tells_a_mismatch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    shares = '{"control": 0.333, "new": 0.333, "third": 0.333}'
    assert _report(folder, "--shares", shares) == 1
    assert (folder / "reports" / "experiment.html").is_file()
    said, errors = capsys.readouterr()
    last = errors.splitlines()[-1]
    assert last.startswith("colisten: ReportError: Sample ratio mismatch")
    assert last.endswith("not logged.")
    assert "Sample ratio mismatch" in said
    assert "Nobody saw 'third'" in said
    assert "not defined" in said


def _design(folder: Path, **changed: Any) -> list[str]:
    """Options of a report by a design."""
    plan = {"control": 0.5, "new": 0.5}
    file = write_design(folder, **{"arms": plan, "control": "control"} | changed)
    words = ["experiment", "report", "--data", str(folder), "--out", str(folder)]
    return [*words, "--target", "audiobook", "--design", str(file)]


@pytest.mark.parametrize(("changed", "said"), BROKEN)
def test_a_broken_design_is_one_sentence_and_nothing_is_written(
    changed: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    assert answer(_design(folder, **changed)) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert said in told.replace("\n", " ")
    assert not (folder / "reports").exists()


@pytest.mark.parametrize(
    ("options", "changed", "said", "code"),
    [
        (["--control", "new"], {}, "--control and the design say the same thing twice", 2),
        (["--shares", PLAN, "--hours", "3"], {}, "--shares and --hours and the design", 2),
        ([], {"primary": "hours_per_user"}, "'hours_per_user' is not measured", 2),
        ([], {"start": "2031-01-01", "end": None}, "No exposures", 1),
        ([], {"arms": {"control": 0.5, "other": 0.5}}, "shown but not planned", 2),
    ],
)
def test_a_design_that_does_not_fit_the_rest_is_refused(
    options: list[str],
    changed: dict[str, Any],
    said: str,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    assert answer([*_design(folder, **changed), *options]) == code
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (folder / "reports").exists()


def test_a_design_against_the_plan_that_users_were_drawn_by_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    shares = {"control": 0.9, "new": 0.1}
    ExperimentPlan("shelf", "control", shares, {}).write(folder / "experiment")
    assert answer(_design(folder)) == 2
    assert "drew users by 'control' 0.9, 'new' 0.1" in capsys.readouterr().err.replace("\n", " ")
    assert answer(_design(folder, arms=shares)) == 1  # the plan, and a split that is not of it


def test_page_and_json_repeat_the_design(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _lay(folder)
    # Everybody was shown something at midnight on 1 June; the last row lies an hour after.
    assert answer(_design(folder, name="<b>shelf", attribution_hours=0.5, looks=[0.25])) == 0
    written = json.loads((folder / "reports" / "experiment.json").read_text())
    assert written["design"]["name"] == "<b>shelf"
    assert written["design"]["looks"] == [0.25]
    assert written["metrics"][0]["role"] == "primary"
    assert written["open_users"] == 0
    page = (folder / "reports" / "experiment.html").read_text()
    assert "Decided beforehand" in page
    assert "25%, 100%" in page.replace("\\", "")  # as Markdown and JSON have it
    assert "<b>shelf" not in page
    assert answer(_design(folder)) == 0
    written = json.loads((folder / "reports" / "experiment.json").read_text())
    assert (written["open_users"], written["arms"][0]["followed"]) == (40, 0)
    assert written["lifts"][0]["lift"] is None
