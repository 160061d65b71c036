"""Three types, one type and foreign words go from tables to a served shelf, events and reports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from colisten.ablations.registry import FULL, select
from colisten.ablations.report import AblationReport
from colisten.data import parquet
from colisten.data.checks import check_tables
from colisten.data.prepare import cut_notices
from colisten.experiments.exposure import simulate_exposures
from colisten.experiments.outcomes import user_outcomes
from colisten.explain.explanation import explain, verdicts
from colisten.explain.inputs import CheckedTables, ExplanationInputs
from colisten.index import open_index
from colisten.json_files import to_json
from colisten.monitoring.experiment import experiment_report
from colisten.release.feature_files import features_of
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.reports import ablations, evaluation, explanation
from colisten.reports.terminal import ablations_to_rich, to_rich
from colisten.serving.environment import Environment
from colisten.serving.problems import Refused
from colisten.serving.requests import EventRequest, RecommendRequest, SimilarRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import Settings, load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.cache import step_cache
from colisten.steps.trials import ablation_trials
from colisten.steps.workflow import Home, Released, Window, release, trials
from tests.worlds import Tables, read_tables, renamed, single_type, write_tables

pytestmark = pytest.mark.slow

QUICK = (
    "hgnn.max_steps=4",
    "hgnn.evaluate_every=2",
    "hgnn.batch_size=64",
    "hgnn.dim=16",
    "hgnn.workers=0",
    "cross_fitting.folds=2",
    "graph.factors=8",
    "towers.dim=16",
    "towers.hidden=[16]",
    "towers.epochs=1",
    "towers.min_steps=0",
    "towers.batch_size=256",
    "evaluation.bootstrap=50",
    "evaluation.baselines=false",
    "index.backend=exact",
    # Four steps of training need not beat chance.
    "gate.min_lift_over_random=0",
    "serving.features_budget_ms=5000",
)
SIMULATED = WorldSettings(
    users=120,
    audiobooks=40,
    podcasts=40,
    music=15,
    days=60,
    end=date(2025, 6, 30),
    author_taste=0.5,
)
CUT, DAYS = datetime(2025, 6, 16, tzinfo=UTC), 14
ARMS = {"popularity": 0.5, "2T-HGNN": 0.5}
HOSTILE = {"audiobook": "film / 'new'", "podcast": "série %"}
SHOP = {"stream": "purchase", "follow": "wishlist", "preview": "click", "intent_to_pay": "click"}


@dataclass(frozen=True)
class World:
    """Words of a world: its types, its signals and which of them count as a start."""

    target: str
    context: tuple[str, ...]
    signals: tuple[str, ...] = ("stream", "follow", "preview", "intent_to_pay")
    starts: tuple[str, ...] = ("stream",)
    links: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The settings that tell of it."""
        return (
            f"data.target_type={to_json(self.target)}",
            f"data.context_types={to_json(self.context)}",
            f"data.signals={to_json(dict.fromkeys(self.signals, 1.0))}",
            f"data.start_signals={to_json(self.starts)}",
        )

    def tables(self, simulated: Tables) -> Tables:
        """What was simulated, in its words."""
        words = {"stream": "stream"} if "stream" in self.signals else SHOP
        types = HOSTILE if self.target in HOSTILE.values() else {}
        tables = renamed(simulated, types=types, signals=words)
        if not self.context:
            tables = single_type(tables, self.target)
        elif "music" not in self.context:
            tables = _without(tables, "music")
        if not self.links:
            del tables["links"]
        return tables


def _without(tables: Tables, item_type: str) -> Tables:
    """The tables without one type."""
    kinds = {row["item_id"]: row["item_type"] for row in tables["items"].to_pylist()}
    return {
        name: table.filter(
            pa.array([kinds[item] != item_type for item in table["item_id"].to_pylist()])
        )
        if "item_id" in table.column_names
        else table
        for name, table in tables.items()
    }


FOREIGN = ("purchase", "wishlist", "click")
WORLDS = {
    "three types": World("audiobook", ("podcast", "music")),
    "one type": World("audiobook", ()),
    "foreign words": World("film / 'new'", ("série %",), FOREIGN, ("purchase",)),
    "two starts and links": World(
        "film / 'new'", ("music", "série %"), FOREIGN, ("purchase", "wishlist"), links=True
    ),
}


@dataclass(frozen=True)
class Road:
    """A world, and what the road left of it."""

    world: World
    data: Path
    home: Home
    settings: Settings
    made: Released

    @property
    def loaded(self) -> LoadedRelease:
        """Its release."""
        return LoadedRelease.load(ReleaseStore(self.home.out).folder(self.made.release.release_id))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("simulated") / "world"
    simulate(folder, SIMULATED)
    return read_tables(folder)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of text vectors that the worlds share: they have the same titles."""
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(scope="module", params=list(WORLDS))
def road(
    request: pytest.FixtureRequest,
    simulated: Tables,
    texts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Road:
    world = WORLDS[request.param]
    folder = tmp_path_factory.mktemp("world")
    data = write_tables(folder / "data", world.tables(simulated))
    settings = load_settings(None, (*QUICK, *world.words))
    check_tables(data, data=settings.data)
    cut_notices(data, cut=CUT, window_days=DAYS, k=settings.evaluation.k, data=settings.data)
    home = Home.at(folder / "out")
    home.texts.parent.mkdir(parents=True)
    home.texts.symlink_to(texts)
    with step_cache(home.steps, "release", settings) as cache:
        made = release(cache, Window(data, CUT, DAYS), home)
    # Whatever the gate thinks of four steps of training, this one is served.
    with open_index(home.out, settings.index) as index:
        ReleaseStore(home.out).promote(made.release.release_id, index)
    return Road(world, data, home, settings, made)


@pytest.fixture
def runtime(road: Road) -> Iterator[Runtime]:
    opened = Runtime.open(Environment(road.home.out, road.settings))
    yield opened
    opened.close()


def test_the_release_knows_its_words(road: Road) -> None:
    manifest, world = road.loaded.manifest, road.world
    assert (manifest.target_type, manifest.signals) == (world.target, world.signals)
    assert set(manifest.context_types or ()) == set(world.context)
    assert manifest.start_signals == world.starts
    relations = json.loads((road.home.out / "reports" / "graph.json").read_text())["relations"]
    assert any("same_author" in relation for relation in relations) == world.links


def test_the_service_answers_and_an_event_changes_the_shelf(road: Road, runtime: Runtime) -> None:
    world, user = road.world, "u00000001"
    wanted = RecommendRequest(user_id=user, k=10)
    before = runtime.recommend(wanted)
    assert (before.how.vector, before.how.fallbacks) == ("two_tower", [])
    first = before.items[0].item_id
    event = {"user_id": user, "item_id": first, "item_type": world.target}
    started = EventRequest(**event, signal=world.starts[-1], timestamp=datetime.now(UTC))
    assert runtime.push(started).known_item
    after = runtime.recommend(wanted)
    assert first not in {item.item_id for item in after.items}
    assert [item.inner_product for item in after.items] != [
        item.inner_product for item in before.items[1:]
    ]
    with pytest.raises(Refused, match="signal"):
        runtime.push(EventRequest(**event, signal="listened", timestamp=datetime.now(UTC)))


def test_items_of_every_type_have_similar_ones(road: Road, runtime: Runtime) -> None:
    catalogue = road.loaded
    for item_type in (road.world.target, *road.world.context):
        items = parquet.read(road.data / "items.parquet").to_pylist()
        item = next(row["item_id"] for row in items if row["item_type"] == item_type)
        answer = runtime.similar(SimilarRequest(item_id=item, k=5))
        assert len(answer.items) == 5
        places = catalogue.index_of([each.item_id for each in answer.items])
        assert ((catalogue.target.start <= places) & (places < catalogue.target.stop)).all()


def test_the_release_is_explained_in_its_own_words(road: Road) -> None:
    (tables,) = road.home.steps.glob("check_tables-*")
    inputs = ExplanationInputs.read(
        road.loaded,
        CheckedTables.read(tables),
        features_of(road.home.out, road.loaded.manifest),
        most_users=40,
        seed=0,
        engine=road.settings.engine,
    )
    found = explain(inputs, seed=0)
    page = explanation.to_html(found)
    words = page + " ".join(verdicts(found))
    _assert_own_words(road.world, words)


def test_reports_speak_the_words_of_the_world(road: Road) -> None:
    reports = road.home.out / "reports"
    pages = [(reports / f"{name}.html").read_text() for name in ("graph", "drift")]
    assert road.world.target in json.loads((reports / "graph.json").read_text())["nodes"]
    columns = json.loads((reports / "drift.json").read_text())["columns"]
    assert f"{road.world.target}_events" in columns
    table = road.made.measured.table
    console = Console(width=200, record=True, file=None)
    with console.capture() as shown:
        console.print(to_rich(table))
    _assert_own_words(road.world, " ".join((*pages[:1], evaluation.to_html(table), shown.get())))


def test_an_experiment_counts_its_starts(road: Road, tmp_path: Path) -> None:
    shelves = {arm: road.home.out / "shelves" / f"{arm}.parquet" for arm in ARMS}
    shown = simulate_exposures(
        shelves,
        experiment="shelf",
        shares=ARMS,
        start=CUT,
        days=5,
        release_id=road.made.release.release_id,
        seed=0,
    )
    parquet.write(shown, tmp_path / "exposures.parquet")
    first = shown.filter(pa.array(np.array(shown["position"]) == 1)).slice(0, 30)
    signals = [road.world.signals[at % len(road.world.signals)] for at in range(len(first))]
    events = pa.table(
        {
            "user_id": first["user_id"],
            "item_id": first["item_id"],
            "item_type": [road.world.target] * len(first),
            "signal": signals,
            "timestamp": pa.array(
                [moment + timedelta(hours=1) for moment in first["timestamp"].to_pylist()],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    parquet.write(events, tmp_path / "interactions.parquet")
    outcomes = user_outcomes(
        tmp_path / "exposures.parquet",
        [road.data / "interactions.parquet", tmp_path / "interactions.parquet"],
        target_type=road.world.target,
        attribution_hours=72,
        items=road.data / "items.parquet",
        data=road.settings.data,
    )
    starts = sum(signal in road.world.starts for signal in signals)
    assert sum(outcomes["streams"].to_pylist()) >= starts
    page = tmp_path / "experiment.html"
    experiment_report(outcomes, page, control="popularity", shares=ARMS)
    if "stream" not in road.world.signals:
        assert "tream rate" not in page.read_text()


def test_every_ablation_names_types_and_signals_of_the_world(road: Road, tmp_path: Path) -> None:
    every = select((), road.settings.data)
    assert len(every) > 15
    said = " ".join(each.removes for each in every)
    _assert_own_words(road.world, said)
    for each in every:
        load_settings(None, (*QUICK, *road.world.words, *each.overrides))


def test_an_ablation_is_trained_and_read(road: Road) -> None:
    chosen = select(("no-weak-signals", "no-auxiliary-edges"), road.settings.data)
    settings_of = {
        each.name: load_settings(None, (*QUICK, *road.world.words, *each.overrides))
        for each in chosen
    }
    runs = ablation_trials(chosen, settings_of, 1)
    with step_cache(road.home.steps, "ablate", road.settings) as cache:
        compared = trials(cache, Window(road.data, CUT, DAYS), road.home, runs, subject=FULL)
    report = AblationReport.of(list(chosen), [], [0], compared.table.table)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(ablations_to_rich(report))
    _assert_own_words(road.world, ablations.to_html(report) + shown.get())


def _assert_own_words(world: World, text: str) -> None:
    """No type and no signal of the demo is spoken of where the world has others."""
    spoken = re.sub("<(script|style).*?</\\1>", "", text, flags=re.DOTALL).casefold()
    own = {*world.signals, world.target, *world.context}
    foreign = {"audiobook", "podcast", "preview", "stream"} - own
    assert not [word for word in foreign if word in spoken]
