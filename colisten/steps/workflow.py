"""From tables to a release, and several trainings side by side, in this process.

The same graph of steps as `pipelines/`, composed of the plain functions:

    check tables -> embed text -> build features
                         |
          fit as of cut - window  -> evaluate on the window before the cut -> gate
          fit as of cut           -> publish  <- gate
                                       |
                      measure on the window after the cut, recommend, report

Interrupted, a run goes on where it stopped: finished steps lie under `OUT/steps` (`cache.py`),
unfinished trainings resume from `OUT/cache/checkpoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from colisten.data.backtest import backtest_cut
from colisten.data.contract import TABLES
from colisten.data.table_files import find_table
from colisten.errors import ColistenError
from colisten.evaluation.seconds import Seconds, read_seconds
from colisten.files import combined_digest, file_digest, located, sweep_abandoned
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.measures import Measured, RankedLists
from colisten.steps.artifacts.models import HGNNModel, Towers
from colisten.steps.artifacts.release import Published
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors
from colisten.steps.build_features import build_features
from colisten.steps.build_graph import build_graph
from colisten.steps.build_training_rows import build_training_rows
from colisten.steps.cache import StepCache, StepEvent, seconds_behind
from colisten.steps.check_tables import check_tables
from colisten.steps.compare import Compared, compare
from colisten.steps.embed_text import embed_text
from colisten.steps.evaluate import Evaluated, evaluate
from colisten.steps.gate import gate
from colisten.steps.inspect_graph import inspect_graph
from colisten.steps.publish import publish
from colisten.steps.rank import rank
from colisten.steps.recommend import recommend
from colisten.steps.report import report
from colisten.steps.train_hgnn import train_hgnn
from colisten.steps.train_towers import train_towers
from colisten.steps.trials import BOTH, TEXT, TrainingRun


@dataclass(frozen=True)
class Window:
    """What is learned from and what measures it.

    Attributes:
        data: Folder of contract tables.
        cut: UTC moment that ends all learning.
        days: Days after it that measure.
    """

    data: Path
    cut: datetime
    days: int

    def digest(self) -> str:
        """Content digest of every table."""
        files = {table.file_name: find_table(self.data, table).path for table in TABLES}
        return combined_digest(
            {name: file_digest(file) for name, file in files.items() if file is not None}
        )


@dataclass(frozen=True)
class Home:
    """The folder that owns a run's results, and where in it things lie."""

    out: Path

    @property
    def steps(self) -> Path:
        """Finished steps."""
        return self.out / "steps"

    @property
    def texts(self) -> Path:
        """Text vectors by digest of their text."""
        return self.out / "cache" / "text"

    @property
    def checkpoints(self) -> Path:
        """Unfinished trainings."""
        return self.out / "cache" / "checkpoints"

    @classmethod
    def at(cls, out: Path) -> Home:
        """The home at `out`, without what killed writers left in it."""
        home = cls(located(out))
        sweep_abandoned(home.out)
        return home


class Prepared(NamedTuple):
    """What all trainings of a window share."""

    history: History
    holdout: Events
    text: TextVectors
    features: Features

    @property
    def known(self) -> dict[str, Any]:
        """What every later step may look at."""
        return {"history": self.history, "text": self.text, "features": self.features}


class Fitted(NamedTuple):
    """What one pass over the model path leaves."""

    graph: GraphSet
    hgnn: HGNNModel
    vectors: ItemVectors
    towers: tuple[Towers, ...]


class Released(NamedTuple):
    """A release, how it did on the window before the cut and on the one after it, and what that
    took."""

    release: Published
    backtest: Measured
    measured: Measured
    lists: RankedLists
    seconds: Seconds


def prepare(cache: StepCache, window: Window, home: Home) -> Prepared:
    """Checked tables, text vectors and features as of the cut."""
    checked = cache.run(
        check_tables,
        source=located(window.data),
        source_digest=window.digest(),
        cut=window.cut,
        window_days=window.days,
    )
    text = cache.run(embed_text, history=checked.history, cache=home.texts).vectors
    features = cache.run(
        build_features, history=checked.history, text=text, cut=window.cut
    ).features
    return Prepared(checked.history, checked.holdout, text, features)


def fit(
    cache: StepCache,
    prepared: Prepared,
    as_of: datetime,
    days: int,
    home: Home,
    blocks: Sequence[str],
) -> Fitted:
    """One pass over the model path, with towers for each of some item inputs.

    Reads nothing at or after `as_of`; is to be right for so many days after it.
    """
    history, text = prepared.history, prepared.text
    graph = cache.run(build_graph, history=history, as_of=as_of).graph
    factors = cache.run(inspect_graph, graph=graph, text=text).factors
    hgnn = cache.run(train_hgnn, graph=graph, text=text, checkpoints=home.checkpoints)
    rows = cache.run(
        build_training_rows, history=history, features=prepared.features, as_of=as_of
    ).rows
    towers = tuple(
        cache.run(
            train_towers,
            rows=rows,
            history=history,
            text=text,
            # The model without graph is the same whatever the graph.
            vectors=None if each == TEXT else hgnn.vectors,
            factors=None if each == TEXT else factors,
            blocks=each,
            window_days=days,
            checkpoints=home.checkpoints,
        ).towers
        for each in blocks
    )
    return Fitted(graph, hgnn.model, hgnn.vectors, towers)


def release(cache: StepCache, window: Window, home: Home) -> Released:
    """Everything from tables to a release with its measurements and reports.

    The model path runs twice: once as of one window before the cut, whose window then measures it
    for the gate, and once as of the cut. So the figures that a release carries never come from
    after the cut.

    Raises:
        ColistenError: As the steps do.
    """
    early, cut, days = _backtest_cut(cache, window), window.cut, window.days
    prepared = prepare(cache, window, home)
    before = cache.under(cache.settings, "backtest")
    past = fit(before, prepared, early, days, home, (BOTH, TEXT))
    backtest = _evaluate(before, prepared, past, prepared.history, early, days).table
    fitted = fit(cache, prepared, cut, days, home, (BOTH, TEXT))
    published = _publish(cache, prepared, fitted, backtest, cut, home)
    measured = _evaluate(cache, prepared, fitted, prepared.holdout, cut, days, baselines=True)
    cache.run(
        recommend,
        changes_world=True,
        history=prepared.history,
        features=prepared.features,
        release=published,
        towers_text=fitted.towers[1],
        backtest=backtest,
        measured=measured.table,
        cut=cut,
        window_days=days,
        home=home.out,
    )
    cache.run(
        report,
        changes_world=True,
        **prepared.known,
        release=published,
        graph=fitted.graph,
        cut=cut,
        backtest_cut=early,
        home=home.out,
    )
    table = measured.table
    seconds = Seconds(
        model=_training_seconds(fitted),
        baselines=read_seconds(measured.metrics.figures, table.table.models),
    )
    return Released(published, backtest, table, measured.lists, seconds)


def _training_seconds(fitted: Fitted) -> float | None:
    """What the two steps took that trained the released model, in this run or an earlier one."""
    spent = [seconds_behind(each) for each in (fitted.hgnn, fitted.towers[0])]
    return None if None in spent else sum(filter(None, spent))


def _publish(
    cache: StepCache,
    prepared: Prepared,
    fitted: Fitted,
    backtest: Measured,
    cut: datetime,
    home: Home,
) -> Published:
    decision = cache.run(gate, changes_world=True, table=backtest, home=home.out).decision
    return cache.run(
        publish,
        changes_world=True,
        history=prepared.history,
        features=prepared.features,
        graph=fitted.graph,
        hgnn=fitted.hgnn,
        towers=fitted.towers[0],
        table=backtest,
        decision=decision,
        cut=cut,
        home=home.out,
    ).release


def trials(
    cache: StepCache,
    window: Window,
    home: Home,
    trainings: Sequence[TrainingRun],
    *,
    subject: str,
    measured: RankedLists | None = None,
) -> Compared:
    """Several trainings side by side, and one table of all of them.

    Trials share every step whose settings and inputs are equal. One that fails does not stop the
    others; the first failure is raised once they are through.

    Args:
        cache: Under the settings that all trials share, and that measure them.
        window: Tables and time.
        home: Where things lie.
        trainings: What to fit; see `colisten.steps.trials.check_trials`.
        subject: The model that every other is compared with.
        measured: Lists of the same window that join the table.

    Raises:
        ColistenError: As the steps do.
    """
    prepared = prepare(cache, window, home)
    lists, failures = [], []
    for number, each in enumerate(trainings, start=1):
        cache.listen(StepEvent("", "part", part=each.title, text=f"{number}/{len(trainings)}"))
        try:
            lists.append(
                _trial(cache.under(each.settings, each.title), window, prepared, home, each)
            )
        except ColistenError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return cache.run(
        compare,
        **prepared.known,
        events=prepared.holdout,
        lists=lists,
        measured=measured,
        subject=subject,
        as_of=window.cut,
        window_days=window.days,
    )


def _trial(
    cache: StepCache, window: Window, prepared: Prepared, home: Home, one: TrainingRun
) -> RankedLists:
    fitted = fit(cache, prepared, window.cut, window.days, home, (one.blocks,))
    return cache.run(
        rank,
        **prepared.known,
        events=prepared.holdout,
        vectors=fitted.vectors,
        towers=fitted.towers[0],
        model=one.model,
        beside=",".join(one.beside),
        as_of=window.cut,
        window_days=window.days,
    ).lists


def _evaluate(
    cache: StepCache,
    prepared: Prepared,
    fitted: Fitted,
    events: Events,
    as_of: datetime,
    days: int,
    *,
    baselines: bool = False,
) -> Evaluated:
    towers, towers_text = fitted.towers
    return cache.run(
        evaluate,
        **prepared.known,
        events=events,
        vectors=fitted.vectors,
        towers=towers,
        towers_text=towers_text,
        as_of=as_of,
        window_days=days,
        baselines=baselines,
    )


def _backtest_cut(cache: StepCache, window: Window) -> datetime:
    data = cache.settings.data
    return backtest_cut(window.data, cut=window.cut, window_days=window.days, data=data)
