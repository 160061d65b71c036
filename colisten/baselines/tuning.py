"""Baselines tuned on the window before the cut, then fitted up to it, as our own model is.

The choice with the highest product of HR@k and MRR on that window is kept, the first of equal
ones. Where one order suits everybody the hit rate is full and near the same for every choice, and
MRR decides; where hits are rare, MRR is what a few of them do, and the hit rate decides. A product
weighs a percent of either alike (it is their geometric mean, squared), needs no scale and, unlike
a mean of ranks, does not depend on which other choices there are.

A baseline that meets a user without an event answers by popularity, as ours does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

import numpy as np

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.registry import BASELINES
from colisten.data.moments import days_from
from colisten.evaluation.metrics import hit_matrix, user_metrics
from colisten.evaluation.split import EvaluationSet, evaluation_set
from colisten.logs import logger
from colisten.progress import track
from colisten.ranking.events import EventLog
from colisten.ranking.lists import rank_lists
from colisten.ranking.top_k import Scorer
from colisten.settings.sections import EvaluationSettings

# What a component said of the window's users is kept up to here, and asked for again beyond.
_KEPT_BYTES = 512 << 20
# Stages of one fit that may be no better than the best before it ends.
_PATIENCE = 2

log = logger("baselines")


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A fitted baseline as a ranker of some users.

    Attributes:
        name: What the table calls it.
        parameters: What tuning chose.
        scorer: Scores by row of the interaction matrix.
        rows: Row of each user in the matrix; -1 for users without an event.
        fallback: float32 [num_target], the order for those; None where the scorer takes row -1.
        seconds: What tuning and fitting took, without a component that others had fitted.
    """

    name: str
    parameters: Parameters
    scorer: Scorer
    rows: np.ndarray
    fallback: np.ndarray | None
    seconds: float = 0.0

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of users; see `colisten.ranking.rankers.Ranker`."""
        at = self.rows[rows]
        if self.fallback is None:
            return self.scorer(at)
        scores = np.broadcast_to(self.fallback, (len(rows), len(self.fallback))).copy()
        known = at >= 0
        if known.any():
            scores[known] = self.scorer(at[known])
        return scores


def tuned_baselines(
    events: EventLog,
    *,
    as_of: datetime,
    window_days: int,
    user_ids: np.ndarray,
    fallback: np.ndarray,
    evaluation: EvaluationSettings,
    seed: int,
    text: np.ndarray | None = None,
    baselines: Sequence[Baseline] = BASELINES,
) -> list[FittedBaseline]:
    """Each baseline at its best on `[as_of - window, as_of)`, refitted on all before `as_of`.

    Args:
        events: Events and items; nothing at or after `as_of` is read. Its engine's threads fit.
        as_of: The cut.
        window_days: Length of the tuning window before it.
        user_ids: Users that will be ranked, object [U].
        fallback: Order for users without an event, float32 [num_target].
        evaluation: How choices are compared.
        seed: Of every fit.
        text: Text vectors [num_items, d]; baselines that need them are left out where it is None.
        baselines: Which models.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    earlier = days_from(as_of, -window_days)
    tuning = _Tuning(
        before=InteractionMatrix.read(events, earlier, text),
        train=InteractionMatrix.read(events, as_of, text),
        window=evaluation_set(events, cut=earlier, window_days=window_days),
        evaluation=evaluation,
        threads=events.engine.threads,
        seed=seed,
    )
    rows = tuning.train.rows_of(user_ids)
    possible = [each for each in baselines if text is not None or not each.needs_text]
    for each in baselines:
        if each not in possible:
            log.info("baseline left out, it needs text vectors", name=each.name)
    fitted = []
    for at, baseline in enumerate(track(possible, "tuning baselines")):
        start = perf_counter()
        made = tuning.tuned(baseline)
        seconds = perf_counter() - start
        tuning.keep({each.builds_on.name for each in possible[at + 1 :] if each.builds_on})
        unknown = None if baseline.answers_everyone else fallback
        log.info("baseline tuned", name=baseline.name, **made.parameters, seconds=round(seconds, 1))
        fitted.append(
            FittedBaseline(baseline.name, made.parameters, made.scorer, rows, unknown, seconds)
        )
    return fitted


@dataclass(frozen=True, eq=False)
class _Tuned:
    """What tuning chose, fitted on what came before the window and on all."""

    parameters: Parameters
    earlier: Scorer
    scorer: Scorer


@dataclass(frozen=True, eq=False)
class _Tuning:
    """What every baseline is tuned and fitted on, and those that others build on."""

    before: InteractionMatrix
    train: InteractionMatrix
    window: EvaluationSet
    evaluation: EvaluationSettings
    threads: int
    seed: int
    _done: dict[str, _Tuned] = field(default_factory=dict)

    def tuned(self, baseline: Baseline) -> _Tuned:
        """The best choice, fitted; what it builds on is tuned first where it was not."""
        if baseline.name not in self._done:
            below = self.tuned(baseline.builds_on) if baseline.builds_on else None
            parameters, earlier = self._best(baseline, below)
            component = below.scorer if below else None
            scorer = self._fit(baseline, self.train, parameters, component)
            self._done[baseline.name] = _Tuned(parameters, earlier, scorer)
        return self._done[baseline.name]

    def keep(self, names: set[str]) -> None:
        """Let go of fits but those of these names."""
        for name in self._done.keys() - names:
            del self._done[name]

    def _best(self, baseline: Baseline, below: _Tuned | None) -> tuple[Parameters, Scorer]:
        """The best choice on the window; the first where there is nothing to compare."""
        choices = baseline.choices()
        component = _Remembered(below.earlier) if below else None
        nothing = not len(self.window) or not self.before.matrix.nnz
        if nothing or (len(choices) == 1 and baseline.stages is None):
            return choices[0], self._fit(baseline, self.before, choices[0], component)
        best: tuple[float, Parameters, Scorer] | None = None
        for parameters in choices:
            highest, since = -1.0, 0
            for reached, scorer in self._stages(baseline, parameters, component):
                value = self._value(baseline, reached, scorer)
                if best is None or value > best[0]:
                    best = value, reached, scorer
                highest, since = max(highest, value), 0 if value > highest else since + 1
                if since == _PATIENCE:
                    break
        if best is None:
            return choices[0], self._fit(baseline, self.before, choices[0], component)
        return best[1:]

    def _stages(
        self, baseline: Baseline, parameters: Parameters, component: Scorer | None
    ) -> Iterator[tuple[Parameters, Scorer]]:
        """Longer and longer fits under one choice; of most models there is one."""
        if baseline.stages is not None:
            yield from baseline.stages(
                self.before, parameters, threads=self.threads, seed=self.seed
            )
            return
        yield parameters, self._fit(baseline, self.before, parameters, component)

    def _fit(
        self,
        baseline: Baseline,
        train: InteractionMatrix,
        parameters: Parameters,
        component: Scorer | None,
    ) -> Scorer:
        more = {} if component is None else {"component": component}
        return baseline.fit(train, parameters, threads=self.threads, seed=self.seed, **more)

    def _value(self, baseline: Baseline, parameters: Parameters, scorer: Scorer) -> float:
        """HR@k times MRR of a scorer on the window."""
        rows = self.before.rows_of(self.window.user_ids)
        fallback = np.zeros(self.before.num_target, dtype=np.float32)
        unknown = None if baseline.answers_everyone else fallback
        ranker = FittedBaseline(baseline.name, parameters, scorer, rows, unknown)
        lists = rank_lists([ranker], self.window, self.evaluation)[baseline.name]
        hits = hit_matrix(lists, self.window.targets)
        measures = user_metrics(hits, self.window.num_targets, self.evaluation.k).mean(axis=0)
        hit_rate, mrr = map(float, measures[:2])
        log.info("baseline", name=baseline.name, **parameters, hit_rate=hit_rate, mrr=mrr)
        return hit_rate * mrr


@dataclass(frozen=True, eq=False)
class _Remembered:
    """A scorer that says again what it said of the same rows, so that choices over it are cheap."""

    scorer: Scorer
    _said: dict[bytes, np.ndarray] = field(default_factory=dict)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        asked = rows.tobytes()
        if asked in self._said:
            return self._said[asked]
        scores = self.scorer(rows)
        if scores.nbytes + sum(each.nbytes for each in self._said.values()) <= _KEPT_BYTES:
            self._said[asked] = scores
        return scores
