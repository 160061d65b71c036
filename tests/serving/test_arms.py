"""Arms: everybody is in one, is shown it, and what was shown stands on the disk.

Real parts: the runtime, Feast on SQLite, published releases, exact search.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.data.contract import EXPOSURES as EXPOSURES_TABLE
from colisten.data.contract import INTERACTIONS
from colisten.data.ids import id_fault
from colisten.data.table_log import logged
from colisten.experiments.assignment import assign
from colisten.experiments.outcomes import user_outcomes
from colisten.experiments.plan import (
    DONE,
    PLAN,
    SHOWN,
    ExperimentPlan,
    export_log,
    latest_experiment,
)
from colisten.index import ExactIndex
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.answers import How, Shelf, ShelfItem
from colisten.serving.environment import Environment
from colisten.serving.exposure_log import ExposureLog
from colisten.serving.parts import EXPOSURES, Parts
from colisten.serving.problems import Refused
from colisten.serving.quality import quality_of
from colisten.serving.requests import EventRequest, RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.release.payloads import make_parts
from tests.serving.conftest import Home
from tests.serving.strange import STRANGE, make_strange_home

QUICK = (
    "index.backend=exact",
    "serving.follow_seconds=0.05",
    "serving.inspect_seconds=0.2",
    "serving.features_budget_ms=30000",
    "serving.exposures_flush_seconds=0.05",
)
USERS = [f"u{number:04d}" for number in range(25, 80)]


@contextmanager
def opened(folder: Path, *overrides: str) -> Iterator[Runtime]:
    runtime = Runtime.open(Environment(folder, load_settings(None, (*QUICK, *overrides))))
    try:
        yield runtime
    finally:
        runtime.close()


@pytest.fixture(scope="module")
def home(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two releases, the first live; overrides the one of trained releases, which takes longer."""
    made = tmp_path_factory.mktemp("made")
    folder = make_strange_home(tiny_history, made, as_of=CUT)
    store = ReleaseStore(folder)
    live = store.live()
    assert live is not None
    parts = make_parts(made / "other", made / "history", CUT, seed=1)
    payload = parts.payload(made / "second", features=store.show(live).features)
    other = store.publish(payload, ExactIndex(folder / "index" / "exact"))
    assert other != live
    return Home(folder, [live, other])


@pytest.fixture
def folder(home: Home, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(home.folder, tmp_path / "out"))


def three(home: Home) -> tuple[str, ...]:
    arms = (
        f"experiment.arms={{holdout: {{share: 0.2, shows: popular}}, live: {{share: 0.4}}, "
        f"new: {{share: 0.4, shows: {home.ids[1]}}}}}"
    )
    return (arms, "experiment.name=three")


def on_disk(out: Path) -> list[dict[str, Any]]:
    folder = latest_experiment(out)
    batches = list(logged(folder / EXPOSURES_TABLE.name, SHOWN))
    rows: list[dict[str, Any]] = pa.Table.from_batches(batches, SHOWN).to_pylist()
    return rows


def as_rows(shelf: Shelf, surface: str | None = None) -> list[tuple[Any, ...]]:
    about = (shelf.request_id, shelf.user_id, shelf.arm, shelf.release_id, surface)
    worth = quality_of(shelf, planned=shelf.arm == "holdout")
    shown: list[tuple[str | None, int | None]]
    shown = [(one.item_id, at) for at, one in enumerate(shelf.items, start=1)]
    return [(*about, *each, worth) for each in shown or [(None, None)]]


def without_moment(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in SHOWN.names if name != "timestamp") for row in rows]


def test_every_user_is_shown_their_arm_and_all_of_it_is_written_down(
    home: Home, folder: Path
) -> None:
    shelves, began = [], datetime.now(UTC)
    with opened(folder, *three(home)) as runtime:
        plan = load_settings(None, three(home)).experiment
        for user in USERS:
            shelf = runtime.recommend(RecommendRequest(user_id=user, k=5, surface="home"))
            assert shelf.arm == assign(user, experiment="three", arms=plan.shares)
            shelves.append(shelf)
        info = runtime.info()
    assert {name: one.release_id for name, one in info.arms.items()} == {
        "holdout": home.ids[0],
        "live": home.ids[0],
        "new": home.ids[1],
    }
    assert info.parts["arm new"].ok
    assert info.parts[EXPOSURES].ok
    assert Counter(shelf.arm for shelf in shelves).keys() == {"holdout", "live", "new"}
    for shelf in shelves:
        assert shelf.release_id == home.ids[1 if shelf.arm == "new" else 0]
        popular = shelf.arm == "holdout"
        assert (shelf.how.search == "popular") == popular, shelf
        assert shelf.how.fallbacks == []
    assert len({shelf.request_id for shelf in shelves}) == len(shelves)
    written = on_disk(folder)
    expected = [row for shelf in shelves for row in as_rows(shelf, "home")]
    assert without_moment(written) == expected
    assert all(began <= row["timestamp"] <= datetime.now(UTC) for row in written)
    read = ExperimentPlan.read(latest_experiment(folder))
    assert read == ExperimentPlan.of(plan)
    assert read.control == "holdout"


def test_a_holdout_holds_nothing_that_the_user_had(home: Home, folder: Path) -> None:
    with opened(folder, *three(home)) as runtime:
        release = LoadedRelease.load(folder / "releases" / home.ids[0])
        for user in USERS[:10]:
            shelf = runtime.recommend(RecommendRequest(user_id=user, k=20, arm="holdout"))
            had = set(map(str, release.item_ids[release.of_hashes(release.seen.of(user))]))
            assert not had & {one.item_id for one in shelf.items}


def test_an_arm_that_is_asked_for_answers_and_nothing_is_kept_of_it(
    home: Home, folder: Path
) -> None:
    with opened(folder, *three(home)) as runtime:
        for arm in ("holdout", "live", "new"):
            shelf = runtime.recommend(RecommendRequest(user_id=USERS[0], arm=arm))
            assert shelf.arm == arm
        with pytest.raises(Refused) as refused:
            runtime.recommend(RecommendRequest(user_id=USERS[0], arm="neww"))
        assert refused.value.status == 400
        assert "'holdout', 'live', 'new'" in refused.value.fault.detail
        log = runtime.info().log
        assert log is not None
        assert log[EXPOSURES_TABLE.name].taken == 0
    assert on_disk(folder) == []


def test_the_live_release_answers_for_one_that_is_not_there_and_says_so(
    home: Home, folder: Path
) -> None:
    shutil.move(folder / "releases" / home.ids[1], folder / "elsewhere")
    with opened(folder, *three(home)) as runtime:
        info = runtime.info()
        assert info.parts["arm new"].reason == "release_refused"
        shelf = runtime.recommend(RecommendRequest(user_id=USERS[0], arm="new"))
        assert (shelf.arm, shelf.release_id) == ("new", home.ids[0])
        assert shelf.how.fallbacks == ["arm_release_missing"]
        assert runtime.ready


def test_one_arm_is_written_down_by_default_and_nothing_where_it_is_off(folder: Path) -> None:
    with opened(folder, "serving.exposures=false") as runtime:
        assert runtime.recommend(RecommendRequest(user_id=USERS[0])).arm == "live"
        info = runtime.info()
        assert info.log is None
        assert EXPOSURES not in info.parts
    assert not (folder / "exposures").exists()
    with opened(folder) as runtime:
        shelf = runtime.recommend(RecommendRequest(user_id=USERS[0]))
    assert without_moment(on_disk(folder)) == as_rows(shelf)


def test_where_nothing_can_be_written_answers_go_on_and_writing_takes_up_again(
    folder: Path,
) -> None:
    blocked = folder / "exposures"
    blocked.write_text("a file where a folder should be")
    with opened(folder, "serving.exposures_flush_seconds=0.05") as runtime:
        shelf = runtime.recommend(RecommendRequest(user_id=USERS[0]))
        info = runtime.info()
        assert info.parts[EXPOSURES].reason == "exposures_unwritten"
        assert str(folder) in str(info.parts[EXPOSURES].why)
        assert runtime.ready
        assert info.log is not None
        assert info.log[EXPOSURES_TABLE.name].waiting == 1
        blocked.unlink()
    assert without_moment(on_disk(folder)) == as_rows(shelf)


def shelf_of(user: str, items: int, number: int) -> Shelf:
    return Shelf(
        request_id=f"r{number}",
        arm="live",
        release_id="r1",
        user_id=user,
        how=How(vector="popular", search="popular", fallbacks=[]),
        items=[
            ShelfItem(
                item_id=f"a{at}", title=None, rank=at + 1, score=None, inner_product=None, why=None
            )
            for at in range(items)
        ],
    )


def test_what_does_not_fit_while_the_disk_is_away_is_lost_and_counted(tmp_path: Path) -> None:
    serving = load_settings(None, ("serving.exposures_waiting_mb=1",)).serving
    plan = ExperimentPlan.of(load_settings().experiment)
    (tmp_path / "exposures").write_text("in the way")
    log = ExposureLog(tmp_path, plan, serving, Parts((EXPOSURES,)))
    for number in range(1000):
        log.shown(shelf_of("u1", 10, number), None, "personal")
    log.flush()
    count = log.info()[EXPOSURES_TABLE.name]
    assert count.taken == 1000
    assert count.lost == 1000 - count.waiting
    assert 300 < count.waiting < 400  # half a megabyte, by its own estimate
    (tmp_path / "exposures").unlink()
    log.flush()
    after = log.info()[EXPOSURES_TABLE.name]
    assert (after.written, after.lost, after.waiting) == (count.waiting, count.lost, 0)
    kept = {row["request_id"] for row in on_disk(tmp_path)}
    assert kept == {f"r{number}" for number in range(count.waiting)}
    log.close()


@settings(max_examples=25, deadline=None)
@given(
    users=st.lists(
        st.one_of(st.sampled_from(STRANGE), st.text(min_size=1, max_size=20)), max_size=12
    ),
    items=st.integers(0, 100),
    flush_every=st.integers(1, 5),
)
def test_any_user_and_any_order_of_writing_gives_the_same_rows(
    users: list[str], items: int, flush_every: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("any")
    plan = ExperimentPlan.of(load_settings().experiment)
    log = ExposureLog(out, plan, load_settings().serving, Parts((EXPOSURES,)))
    expected = []
    for number, user in enumerate(user for user in users if not id_fault(user)):
        shelf = shelf_of(user, items, number)
        log.shown(shelf, None, quality_of(shelf, planned=False))
        expected += as_rows(shelf)
        if number % flush_every == 0:
            log.flush()
    log.flush()
    log.close()
    if expected:
        assert without_moment(on_disk(out)) == expected


def test_an_empty_shelf_is_written_down_and_the_report_reads_it(
    home: Home, folder: Path, tmp_path: Path
) -> None:
    with opened(folder, *three(home)) as runtime:
        for user in USERS:
            asked = "fi" if user == USERS[0] else None
            runtime.recommend(RecommendRequest(user_id=user, k=3, language=asked))
    rows = [row for row in on_disk(folder) if row["user_id"] == USERS[0]]
    assert [(row["item_id"], row["quality"]) for row in rows] == [(None, "empty")]
    (tmp_path / "tables").mkdir()
    export_log(latest_experiment(folder), tmp_path / "tables")
    shown, done = (tmp_path / "tables" / one.file_name for one in (EXPOSURES_TABLE, INTERACTIONS))
    rows = user_outcomes(shown, [done], target_type="audiobook").to_pylist()
    empty = {row["user_id"]: row["empty_shelves"] for row in rows}
    assert empty == {user: int(user == USERS[0]) for user in USERS}


ARMS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(str.strip), st.floats(0.05, 1), min_size=1, max_size=6
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(user=st.text(min_size=1), name=st.text(min_size=1, max_size=9), arms=ARMS)
def test_a_user_keeps_their_arm(user: str, name: str, arms: dict[str, float]) -> None:
    total = sum(arms.values())
    plan = {arm: share / total for arm, share in arms.items()}
    try:
        arm = assign(user, experiment=name, arms=plan)
    except UnicodeEncodeError:
        return
    assert arm in plan
    assert all(assign(user, experiment=name, arms=dict(plan)) == arm for _ in range(3))
    # Whoever is in an arm stays in it where the arm grows at the cost of what comes after it.
    first, *rest = plan
    if arm == first and rest:
        grown = {first: plan[first] + plan[rest[-1]] / 2} | {one: plan[one] for one in rest}
        grown[rest[-1]] /= 2
        assert assign(user, experiment=name, arms=grown) == first


def test_another_plan_writes_to_another_folder(tmp_path: Path) -> None:
    plans = [
        ExperimentPlan.of(load_settings(None, overrides).experiment)
        for overrides in (
            (),
            ("experiment.name=other",),
            ("experiment.arms={live: {share: 0.5}, old: {share: 0.5, shows: r1}}",),
            ("experiment.arms={live: {share: 0.5}, old: {share: 0.5, shows: r2}}",),
            ("experiment.arms={live: {share: 0.4}, old: {share: 0.6, shows: r2}}",),
            ("experiment.name=../../etc/\u00e9 /x",),
        )
    ]
    folders = {plan.folder(tmp_path) for plan in plans}
    assert len(folders) == len(plans)
    for plan, folder in ((plan, plan.folder(tmp_path)) for plan in plans):
        assert folder.parent == tmp_path / "exposures"
        plan.write(folder)
        assert ExperimentPlan.read(folder) == plan


def test_the_folder_that_was_written_to_last_is_read(tmp_path: Path) -> None:
    assert latest_experiment(tmp_path) == tmp_path / "experiment"
    for at, name in enumerate(("experiment", "exposures/one-1/exposures", "exposures/two-2")):
        (tmp_path / name).mkdir(parents=True)
        if name != "exposures/two-2":  # nothing was shown there
            file = tmp_path / name / "exposures.parquet"
            file.write_text("")
            os.utime(file, (1000.0 + at, 1000.0 + at))
    (tmp_path / "exposures/two-2" / PLAN).write_text("{}")
    assert latest_experiment(tmp_path) == tmp_path / "exposures/one-1"


def test_events_name_the_answer_that_they_came_of(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as runtime:
        shelf = runtime.recommend(RecommendRequest(user_id="u0062", k=3))
        moment = datetime.now(UTC)
        event: dict[str, Any] = {
            "user_id": "u0062",
            "item_type": "audiobook",
            "signal": "stream",
            "timestamp": moment,
        }
        first = shelf.items[0].item_id
        named = EventRequest(**event, item_id=first, recommendation_id=shelf.request_id)
        assert runtime.push(named).new
        assert not runtime.push(named).new
        other = {**event, "timestamp": moment + timedelta(seconds=1)}
        assert runtime.push(EventRequest(**other, item_id="an item of tomorrow")).new
        with pytest.raises(Refused):
            runtime.push(EventRequest(**{**other, "signal": "sneeze"}, item_id=first))
        log = runtime.info().log
        assert log is not None
        assert log["interactions"].taken == 3
    log_folder = latest_experiment(folder)
    rows = pa.Table.from_batches(logged(log_folder / "interactions", DONE), DONE).to_pylist()
    kept = {**event, "item_id": first, "recommendation_id": shelf.request_id}
    assert rows[:2] == [kept, kept]
    assert rows[2]["recommendation_id"] is None
    # The report is of what was shown.
    assert export_log(log_folder, tmp_path) == (3, 2)
