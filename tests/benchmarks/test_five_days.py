"""Five days of a service: what is counted, and all of it at a size that measures little."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import five_days, five_days_table, pairs
from benchmarks.day_answers import PERSONAL, Answer, Lived, Seen, each_answer, judged
from benchmarks.day_tables import day_tables, steady_users
from benchmarks.http_load import Answers
from benchmarks.shelf_labels import Shown
from colisten.data.checks import check_tables
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate

WORLD = WorldSettings(users=80, audiobooks=40, podcasts=40, days=40, author_taste=0.5)
DAY = datetime(2025, 6, 20, tzinfo=UTC)
NO_GATE = (
    "gate.below_popularity=warn",
    "gate.min_lift_over_random=0",
    "gate.max_drop=1",
    "gate.min_coverage=0",
)
QUICK = (
    "hgnn.max_steps=2",
    "hgnn.batch_size=64",
    "cross_fitting.folds=2",
    "towers.hidden=[8]",
    "towers.epochs=1",
    "towers.min_steps=0",
    "evaluation.bootstrap=20",
    "evaluation.baselines=false",
    "index.backend=exact",
    "text.max_chars=40",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("days") / "world"
    simulate(folder, WORLD)
    return folder


def test_a_day_has_what_was_known_before_its_end(world: Path, tmp_path: Path) -> None:
    folder = day_tables(world, DAY, tmp_path / "day")
    assert {file.name for file in folder.iterdir()} == {
        file.name for file in world.glob("*.parquet")
    }
    events = pq.read_table(folder / "interactions.parquet").to_pylist()
    assert events == [
        row
        for row in pq.read_table(world / "interactions.parquet").to_pylist()
        if row["timestamp"] < DAY
    ]
    items = pq.read_table(folder / "items.parquet")
    assert 0 < items.num_rows < pq.read_table(world / "items.parquet").num_rows
    settings = load_settings(None, ())
    check_tables(folder, data=settings.data, engine=settings.engine)
    users = steady_users(folder, 10)
    counts = Counter(row["user_id"] for row in events)
    assert len(users) == 10
    assert all(counts[user] >= 3 for user in users)


def test_a_slip_keeps_all_but_who_it_was(world: Path, tmp_path: Path) -> None:
    right = pq.read_table(day_tables(world, DAY, tmp_path / "right") / "interactions.parquet")
    folder = day_tables(world, DAY, tmp_path / "slipped", slipped=True)
    slipped = pq.read_table(folder / "interactions.parquet")
    assert slipped.drop_columns("user_id") == right.drop_columns("user_id")
    before, after = (table["user_id"].to_pylist() for table in (right, slipped))
    assert Counter(before) == Counter(after)
    assert sum(one == other for one, other in zip(before, after, strict=True)) < len(before) / 4
    settings = load_settings(None, ())
    check_tables(folder, data=settings.data, engine=settings.engine)


def shelf(release: str, *items: str, rung: str = PERSONAL) -> Shown:
    return Shown(rung, release, "", "u1", "q", items, b"")


SEEN = Seen(
    lives=[Lived(0.0, "one", 1.0, "day 1"), Lived(100.0, "two", 101.0, "day 2")],
    shelves={("one", "u1"): {("a", "b")}, ("two", "u1"): {("b", "c")}},
    swaps=[98.0],
    asked=[2.0, 102.0],
)
CATALOGUES = {"one": frozenset("ab"), "two": frozenset("abc")}
RIGHT = (
    Answer(49.9, 50.0, shelf("one", "a", "b")),
    Answer(100.4, 100.5, shelf("one", "a", "b")),
    Answer(100.6, 100.7, shelf("two", "b", "c")),
)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answer(50.0, 51.0, None), {"failed"}),
        (Answer(50.0, 51.0, shelf("two", "b", "c")), {"not_live"}),
        (Answer(101.5, 102.0, shelf("one", "a", "b")), {"not_live"}),
        (Answer(50.0, 51.0, shelf("candidate", "a")), {"not_live", "mixed", "foreign_titles"}),
        (Answer(50.0, 51.0, shelf("one", "b", "a")), {"mixed"}),
        (Answer(50.0, 51.0, shelf("one", "a", "c")), {"mixed", "foreign_titles"}),
        (Answer(99.0, 99.1, shelf("one", "b", "a")), {"while_rows_were_swapped"}),
        (Answer(50.0, 51.0, shelf("one", "b", "a", rung="popular popular features_error")), set()),
    ],
)
def test_what_is_wrong_with_an_answer_is_counted(answer: Answer, wrong: set[str]) -> None:
    found = judged([*RIGHT, answer], SEEN, CATALOGUES)
    assert found.pop("requests") == 4
    found.pop("followed")
    assert sum(found.pop("rungs").values()) == 4 - found["failed"]
    assert found == dict.fromkeys(found, 0) | dict.fromkeys(wrong, 1)


def test_how_soon_a_release_is_followed() -> None:
    piece = Answers(
        np.array([one.ended for one in RIGHT]),
        np.array([one.ended - one.asked for one in RIGHT]),
        np.array([200] * 3),
        [one.shelf for one in RIGHT],
        1.0,
        0.1,
    )
    (row,) = judged(each_answer([piece]), SEEN, CATALOGUES)["followed"]
    assert row == {"by": "day 2", "first_seconds": 0.7, "last_of_the_old_seconds": 0.5}


@pytest.mark.slow
def test_it_lives_through_days(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sizes = {
        "WORLD": WORLD,
        "DOOR": ("run",),  # the same steps in one process, the one that is killed
        "SETTINGS": (*QUICK, *NO_GATE),
        # Who is refused changes nothing that is served: `tests/steps/test_workflow.py`.
        "DAYS": (five_days.USUAL, five_days.KILLED),
        "BACK_TO": 1,
        "WORKERS": 1,
        # Beside a suite on both cores a polite process comes to nothing for a quarter of an hour.
        "NICE": 0,
        "USERS": 5,
        "PIECE": 1.0,
    }
    for name, size in sizes.items():
        monkeypatch.setattr(five_days, name, size)
    committed = pairs.known_result(five_days.NAME)
    monkeypatch.setattr(pairs, "RESULTS", tmp_path)
    five_days.run()
    result = pairs.read_result(five_days.NAME)
    assert result.keys() == (committed or result).keys()
    wrong = ("failed", "not_live", "foreign_titles", "mixed")
    assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert result["rungs"][PERSONAL] > 100
    usual, killed, back = result["days"]
    assert usual["live"]
    assert killed["live"]
    assert back["live"]
    assert [each["exit_code"] for each in killed["kills"]] == [-9, -9]
    assert all(each["same_release"] for each in killed["kills"])
    changed = [name for each in killed["kills"] for name in each["served_bytes_changed"]]
    assert all(name.startswith("online_") for name in changed)
    assert killed["kills"][0]["left"]
    assert 0 < killed["steps"] < usual["steps"]  # the rest came from the cache
    assert [row["left"] for row in result["days"]] == [[], [], []]
    assert [row["by"] for row in result["followed"]] == ["day 2", "rollback"]
    table = five_days_table.markdown(result)
    assert "| failed | 0 |" in table
    assert "nothing left over" in table
