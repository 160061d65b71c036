"""Is a release's `score` true on the window after its cut? And what does an explained shelf cost?

A release is made as ever: its rule comes from the backtest, on the window before the cut. Here it
is held against what everybody started after the cut, which neither rule nor model has seen. Beside
it stand the same figures of two numbers that one might take instead: the rate of all shelves for
every title, and a rule of those users alone who start something, as tables of hit rates have
them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.data.catalogue import Catalogue
from colisten.errors import ReleaseError
from colisten.evaluation.score_calibration import (
    SHOWN,
    Reliability,
    probabilities,
    reliabilities,
    rows_among,
    score_pairs,
)
from colisten.evaluation.score_rule import Activity, Pairs, fit_rule
from colisten.evaluation.split import evaluation_set
from colisten.explain.inputs import CheckedTables
from colisten.features.store import open_store, users_as_of
from colisten.features.users import UserBatch
from colisten.ranking.eligible import eligible_users
from colisten.ranking.events import EventLog
from colisten.ranking.ragged import Ragged
from colisten.release.explanation import explained
from colisten.release.feature_files import features_of
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.explanation import Phrases, as_answer
from colisten.settings.sections import ServingSettings
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.use_cases.explain import tables_of
from colisten.steps.use_cases.run import run as make_release

NAME = "score_truth"
SEEDS = (300, 301)
WORLD = WorldSettings(users=5_000, audiobooks=2_000)
SETTINGS = ("evaluation.baselines=false", "evaluation.bootstrap=200")
MOST_ERROR = 0.01
"""What the expected calibration error of what is shown must stay below."""
_CONFIDENCE = 0.95
_SHELVES, _K = 200, 10


def run() -> None:
    """Each world with its release, and what all of them show."""
    worlds = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            worlds.append(made(Path(folder), seed))
        write_result(NAME, {**machine(), "most_error": MOST_ERROR, "worlds": worlds})


def made(folder: Path, seed: int) -> dict[str, Any]:
    """Simulate, release, and hold the release against the window after its cut."""
    world = WORLD.model_copy(update={"seed": seed})
    window = world_window(folder / "world", simulate(folder / "world", world))
    settings = load_settings(None, (*SETTINGS, f"seed={seed}"))
    make_release(folder / "world", window.cut, folder / "run", settings, window_days=window.days)
    return {"seed": seed, **after_the_cut(folder / "run")}


def after_the_cut(out: Path) -> dict[str, Any]:
    """How true the latest release of a run's folder is on the window after its cut, and what its
    explanations cost. Of a release that has learned no rule, as of a tiny world, the latter alone.
    """
    store = ReleaseStore(out)
    release = store.load_live() if store.live() else _latest(store)
    tables = tables_of(out, release)
    pairs, batch = pairs_after(release, tables, features_of(out, release.manifest))
    told = {
        "users": len(batch),
        "window_days": tables.window_days,
        "explained": cost(release, batch),
    }
    calibration = release.calibration
    if calibration is None:
        return told
    found = reliabilities(pairs, probabilities(calibration.rule, pairs), 0, _CONFIDENCE)
    return {
        **told,
        "rule": calibration.rule.model_dump(mode="json"),
        "backtest": {name: _short(one) for name, one in calibration.reliability.items()},
        "after": {name: _full(one) for name, one in found.items()},
        "instead": instead(pairs, calibration.reliability[SHOWN]),
    }


def pairs_after(
    release: LoadedRelease, tables: CheckedTables, features: Path
) -> tuple[Pairs, UserBatch]:
    """Every user with a history at the cut, what they were worth and what they started after it."""
    catalogue, data = Catalogue.read(tables.history), release.manifest.data
    log = EventLog([tables.history, tables.holdout], catalogue, data)
    people = eligible_users(log, tables.cut)
    window = evaluation_set(log, cut=tables.cut, window_days=tables.window_days)
    own = window.targets
    targets = Ragged.of(rows_among(people, window)[own.rows], own.values, len(people))
    batch = users_as_of(
        open_store(features), people.user_ids.tolist(), tables.cut, release.index_of, release.spec
    )
    vectors, relative = release.user_vectors(batch), release.relative_logits
    if relative is None:
        raise ReleaseError(f"Release {release.release_id} does not say what its vectors are.")

    def logits(rows: np.ndarray) -> np.ndarray:
        return relative.of(vectors[rows] @ release.item_vectors.T, vectors[rows])

    activity = Activity.of(batch, release.manifest.target_type)
    return score_pairs(people, targets, logits, activity, k=_K, seed=0), batch


def instead(pairs: Pairs, backtest: Reliability) -> dict[str, dict[str, Any]]:
    """Two numbers that are simpler, on what is shown."""
    rate = np.full(len(pairs.users), backtest.starts / backtest.pairs)
    started = np.isin(pairs.users, pairs.users[pairs.started])
    named = {"one rate for all": rate}
    eager = fit_rule(pairs.take(started))
    if eager is not None:
        named["a rule of those who start something"] = probabilities(eager, pairs)
    return {
        name: _short(reliabilities(pairs, predicted, 0, _CONFIDENCE)[SHOWN])
        for name, predicted in named.items()
    }


def cost(release: LoadedRelease, batch: UserBatch) -> dict[str, Any]:
    """Milliseconds for explanations of shelves of ten, and how many titles have a way."""
    phrases = Phrases(ServingSettings().reasons, ServingSettings().heard)
    rows = np.linspace(0, len(batch) - 1, min(_SHELVES, len(batch))).astype(np.int64)
    took, titles, ways, direct, scored = [], 0, 0, 0, []
    for row in rows.tolist():
        user = batch.take(np.array([row]))
        vector = release.user_vectors(user)
        ids, inner = release.exact(vector, _K)
        places = release.index_of(ids[0]).tolist()
        started = time.perf_counter()
        found = explained(release, user, vector[0], places)
        answers = [as_answer(release, *one, phrases) for one in zip(places, found, strict=True)]
        took.append(time.perf_counter() - started)
        started = time.perf_counter()
        release.scores(inner[0].tolist(), user, vector[0])
        scored.append(time.perf_counter() - started)
        titles += len(answers)
        ways += sum(one.path is not None for one in answers)
        direct += sum(one.path is not None and len(one.path) == 2 for one in answers)
    return {
        "shelves": len(rows),
        "titles": titles,
        "with_path": ways,
        "direct": direct,
        "explain_ms": {f"p{at}": float(np.percentile(took, at) * 1e3) for at in (50, 99)},
        "score_ms": {f"p{at}": float(np.percentile(scored, at) * 1e3) for at in (50, 99)},
    }


def _latest(store: ReleaseStore) -> LoadedRelease:
    return LoadedRelease.load(store.folder(store.list()[0].release_id))


def _short(one: Reliability) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude={"bins"})


def _full(one: Reliability) -> dict[str, Any]:
    return one.model_dump(mode="json")
