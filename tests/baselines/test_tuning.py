"""Baselines are tuned and fitted on what came before the cut, and rank whoever there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.registry import BASELINES
from colisten.baselines.tuning import FittedBaseline, tuned_baselines
from colisten.data.catalogue import Catalogue
from colisten.evaluation.metrics import hit_matrix, user_metrics
from colisten.evaluation.split import evaluation_set
from colisten.ranking.events import EventLog
from colisten.ranking.lists import rank_lists
from colisten.ranking.rankers import PopularityRanker
from colisten.ranking.top_k import Scorer
from colisten.settings.baselines import BASELINE_NAMES
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from tests.conftest import CUT
from tests.evaluation.conftest import event_log

WINDOW = 14
AS_OF = CUT - timedelta(days=WINDOW)
FALLBACK = np.arange(40, dtype=np.float32)


def first(baseline: Baseline) -> Baseline:
    """With one choice, and so what it builds on: what tuning chooses among is nothing here."""
    grid = {name: values[:1] for name, values in baseline.grid.items()}
    below = baseline.builds_on
    return replace(baseline, grid=grid, builds_on=None if below is None else first(below))


FIRST = [first(baseline) for baseline in BASELINES]


def rankers(
    folder: Path,
    catalogue: Catalogue,
    users: np.ndarray,
    baselines: Sequence[Baseline],
    *,
    text: bool = True,
    evaluation: EvaluationSettings | None = None,
) -> list[FittedBaseline]:
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), 16)).astype(np.float32)
    return tuned_baselines(
        EventLog([folder], catalogue, DataSettings(), Engine(threads=1)),
        as_of=AS_OF,
        window_days=WINDOW,
        user_ids=users,
        fallback=FALLBACK,
        evaluation=evaluation or EvaluationSettings(),
        seed=0,
        text=vectors if text else None,
        baselines=baselines,
    )


def test_settings_know_every_baseline_by_the_name_in_the_table() -> None:
    assert tuple(each.name for each in BASELINES) == BASELINE_NAMES


@pytest.mark.slow
def test_tuned_baselines_rank_users_and_never_read_the_window(
    tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    window = evaluation_set(event_log(tiny_history, catalogue), cut=AS_OF, window_days=WINDOW)
    users = np.append(window.user_ids, "nobody")
    rows = np.arange(len(users))

    def scores(folder: Path) -> dict[str, np.ndarray]:
        return {
            one.name: one.scores(rows)
            for one in rankers(folder, catalogue, users, [*BASELINES[:3], *FIRST[3:]])
        }

    whole = scores(tiny_history)
    assert list(whole) == [baseline.name for baseline in BASELINES]
    for baseline in BASELINES:
        answer = whole[baseline.name][-1]
        assert np.isfinite(answer).all()
        assert np.array_equal(answer, FALLBACK) != baseline.answers_everyone
    events = pq.read_table(tiny_history / "interactions.parquet")
    moment = pa.scalar(AS_OF.astimezone(UTC), events.schema.field("timestamp").type)
    earlier = pc.less(events.column("timestamp"), moment)
    assert not pc.all(earlier).as_py()
    pq.write_table(events.filter(earlier), tmp_path / "interactions.parquet")
    for name, found in scores(tmp_path).items():
        np.testing.assert_array_equal(found, whole[name], name)


def test_the_choice_that_hits_most_is_kept(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    truth = evaluation_set(
        event_log(tiny_history, catalogue), cut=AS_OF - timedelta(days=WINDOW), window_days=WINDOW
    )
    liked = np.bincount(truth.targets.values, minlength=40).astype(np.float32)
    sign = Baseline(
        "sign",
        lambda train, chosen, **_: lambda rows: np.tile(chosen["by"] * liked, (len(rows), 1)),
        {"by": (-1.0, 1.0)},
    )
    (made,) = rankers(tiny_history, catalogue, truth.user_ids, [sign])
    assert made.parameters == {"by": 1.0}


def test_hits_and_ranks_decide_together(tiny_history: Path) -> None:
    """A percent of either counts alike: many more first places make up for one hit less."""
    catalogue = Catalogue.read(tiny_history)
    truth = evaluation_set(
        event_log(tiny_history, catalogue), cut=AS_OF - timedelta(days=WINDOW), window_days=WINDOW
    )
    rng = np.random.default_rng(0)
    orders = [rng.permutation(40).astype(np.float32) for _ in range(40)]
    settings = EvaluationSettings(k=20)
    found = []
    for each in orders:
        lists = rank_lists([PopularityRanker("", each)], truth, settings)[""]
        hits = hit_matrix(lists, truth.targets)
        found.append(user_metrics(hits, truth.num_targets, settings.k).mean(axis=0)[:2])
    more_hits, better = next(
        (one, other)
        for one in range(40)
        for other in range(40)
        if found[one][0] > found[other][0] and found[one].prod() < found[other].prod()
    )
    given = Baseline(
        "orders",
        lambda train, chosen, **_: lambda rows: np.tile(orders[chosen["at"]], (len(rows), 1)),
        {"at": (more_hits, better)},
    )
    (made,) = rankers(tiny_history, catalogue, truth.user_ids, [given], evaluation=settings)
    assert made.parameters == {"at": better}


def test_what_others_build_on_is_fitted_once_and_serves_both(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    fits: list[tuple[str, float, int]] = []

    def below(train: InteractionMatrix, chosen: Parameters, **_: object) -> Scorer:
        fits.append(("below", chosen["by"], train.matrix.nnz))
        return lambda rows: np.tile(
            chosen["by"] * np.arange(40.0, dtype=np.float32), (len(rows), 1)
        )

    def above(
        train: InteractionMatrix, chosen: Parameters, component: Scorer, **_: object
    ) -> Scorer:
        fits.append(("above", chosen["times"], train.matrix.nnz))
        return lambda rows: chosen["times"] * component(rows)

    lower = Baseline("below", below, {"by": (-1.0, 1.0)})
    upper = Baseline("above", above, {"times": (1.0, 2.0)}, builds_on=lower)
    users = np.array(["u0001"])
    both = rankers(tiny_history, catalogue, users, [lower, upper])
    assert [one.name for one in both] == ["below", "above"]
    # Each choice before the window, and the best on all that is known.
    assert [(name, by) for name, by, _ in fits] == [
        ("below", -1.0),
        ("below", 1.0),
        ("below", both[0].parameters["by"]),
        ("above", 1.0),
        ("above", 2.0),
        ("above", 1.0),
    ]
    assert [nnz > fits[0][2] for _, _, nnz in fits] == [False, False, True, False, False, True]
    rows = np.zeros(1, np.int64)
    np.testing.assert_array_equal(both[1].scores(rows), both[0].scores(rows))
    fits.clear()
    (alone,) = rankers(tiny_history, catalogue, users, [upper])
    assert alone.name == "above"
    assert len(fits) == 6
    assert all(one.seconds > 0 for one in (*both, alone))
    np.testing.assert_array_equal(alone.scores(rows), both[1].scores(rows))


def test_rounds_go_on_while_they_get_better(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    truth = evaluation_set(
        event_log(tiny_history, catalogue), cut=AS_OF - timedelta(days=WINDOW), window_days=WINDOW
    )
    liked = np.bincount(truth.targets.values, minlength=40).astype(np.float32)
    # How much of the truth each round knows.
    known = {"slow": (0.0, 0.2, 0.1, 1.0, 0.9, 0.8, 5.0), "fast": (0.5, 0.4, 0.3, 5.0)}
    noise = np.random.default_rng(0).permutation(40).astype(np.float32)
    asked: list[tuple[str, int]] = []

    def scorer(chosen: Parameters) -> Scorer:
        scores = known[chosen["pace"]][chosen["round"]] * 10 * liked + noise
        return lambda rows: np.tile(scores, (len(rows), 1))

    def stages(
        train: object, chosen: Parameters, **_: object
    ) -> Iterator[tuple[Parameters, Scorer]]:
        for number in range(len(known[chosen["pace"]])):
            asked.append((chosen["pace"], number))
            reached = {**chosen, "round": number}
            yield reached, scorer(reached)

    learner = Baseline(
        "learner",
        lambda train, chosen, **_: scorer(chosen),
        {"pace": ("slow", "fast")},
        stages=stages,
    )
    (made,) = rankers(tiny_history, catalogue, truth.user_ids, [learner])
    assert made.parameters["pace"] == "slow"
    # The fifth and sixth round of one, the second and third of the other are no better.
    assert asked == [("slow", at) for at in range(6)] + [("fast", at) for at in range(3)]


def test_a_baseline_that_needs_text_is_left_out_where_there_is_none(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    needy = [baseline for baseline in FIRST if baseline.needs_text]
    assert needy
    made = rankers(tiny_history, catalogue, np.array(["u0001"]), [FIRST[0], *needy], text=False)
    assert [one.name for one in made] == [FIRST[0].name]
