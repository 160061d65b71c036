"""Baselines are tuned and fitted on what came before the cut, and rank whoever there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from colisten.baselines.baseline import Baseline
from colisten.baselines.registry import BASELINES
from colisten.baselines.tuning import FittedBaseline, tuned_baselines
from colisten.data.catalogue import Catalogue
from colisten.evaluation.split import evaluation_set
from colisten.ranking.events import EventLog
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from tests.conftest import CUT
from tests.evaluation.conftest import event_log

WINDOW = 14
AS_OF = CUT - timedelta(days=WINDOW)
FALLBACK = np.arange(40, dtype=np.float32)
# One choice each: what tuning chooses among is nothing to these promises.
FIRST = [
    replace(baseline, grid={name: values[:1] for name, values in baseline.grid.items()})
    for baseline in BASELINES
]


def rankers(
    folder: Path,
    catalogue: Catalogue,
    users: np.ndarray,
    baselines: Sequence[Baseline],
    *,
    text: bool = True,
) -> list[FittedBaseline]:
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), 16)).astype(np.float32)
    return tuned_baselines(
        EventLog([folder], catalogue, DataSettings(), Engine(threads=1)),
        as_of=AS_OF,
        window_days=WINDOW,
        user_ids=users,
        fallback=FALLBACK,
        evaluation=EvaluationSettings(),
        seed=0,
        text=vectors if text else None,
        baselines=baselines,
    )


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
    for found in whole.values():
        np.testing.assert_array_equal(found[-1], FALLBACK)
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


def test_a_baseline_that_needs_text_is_left_out_where_there_is_none(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    needy = [baseline for baseline in FIRST if baseline.needs_text]
    assert needy
    made = rankers(tiny_history, catalogue, np.array(["u0001"]), [FIRST[0], *needy], text=False)
    assert [one.name for one in made] == [FIRST[0].name]
