"""How true a model's scores are on a window, for the step that measures one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from colisten.data.moments import days_from, parse_moment
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.tables import Events, History

if TYPE_CHECKING:
    from colisten.evaluation.score_calibration import Logits, ScoreCalibration
    from colisten.evaluation.split import EvaluationSet
    from colisten.features.users import UserBatch
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.models.vector_layout import VectorLayout
    from colisten.ranking.eligible import EligibleUsers


@dataclass(frozen=True, eq=False)
class Sampled:
    """Users of a window, and of everybody as many as scores are calibrated on.

    Attributes:
        window: Who started something.
        people: Everybody, or a sample of them.
        asked_ids: Both.
        of_window, of_people: Where each of them is among those who are asked, int64.
    """

    window: EvaluationSet
    people: EligibleUsers
    asked_ids: list[str]
    of_window: np.ndarray
    of_people: np.ndarray

    @classmethod
    def of(cls, everybody: EligibleUsers, window: EvaluationSet, seed: int) -> Sampled:
        """The users of a window among everybody as of its start."""
        from colisten.evaluation.score_calibration import rows_among, some_users

        own, drawn = rows_among(everybody, window), some_users(everybody, seed)
        asked = np.union1d(own, drawn)
        return cls(
            window,
            everybody.take(drawn),
            everybody.user_ids[asked].tolist(),
            np.searchsorted(asked, own),
            np.searchsorted(asked, drawn),
        )


def end_of(history: History, events: Events, window: EvaluationSet) -> datetime:
    """Where a window ends; a history has no events of it from its own cut on."""
    from colisten.data.summary import TableSummary

    end = days_from(window.cut, window.window_days)
    if events.folder != history.folder:
        return end
    return min(end, parse_moment(TableSummary.read(history.folder).cut, "cut"))


def calibrate_scores(
    sampled: Sampled,
    known: UserBatch,
    tower: OnnxUserTower,
    layout: VectorLayout | None,
    popular: np.ndarray,
    *,
    end: datetime,
    evaluation: EvaluationSettings,
    seed: int,
) -> ScoreCalibration | None:
    """Learn what the scores of towers are worth, and how true that is.

    Args:
        sampled: Users and what they started.
        known: What is known of those who are asked, row by row.
        tower: The user tower and the item vectors.
        layout: Of their vectors; None where they do not say.
        popular: Popularity of every target item [n_target].
        end: Moment after the last event of the window.
        evaluation: How rankings are measured.
        seed: Of draws.

    Returns:
        None where there were too few starts, or the layout is not known.
    """
    from colisten.evaluation.score_calibration import calibrate, rows_among
    from colisten.evaluation.score_rule import Activity
    from colisten.ranking.ragged import Ragged

    if layout is None:
        return None
    people, window = sampled.people, sampled.window
    batch = known.take(sampled.of_people)
    both = np.isin(sampled.of_window, sampled.of_people)
    kept = window.take(np.flatnonzero(both))
    own = window.targets.take(np.flatnonzero(both))
    started = Ragged.of(rows_among(people, kept)[own.rows], own.values, len(people))
    days = (end - window.cut).days
    return calibrate(
        people,
        started,
        _logits(tower, layout, batch, popular),
        Activity.of(batch, window.target_type),
        window_days=max(1, days),
        k=evaluation.k,
        seed=seed,
        confidence=evaluation.confidence,
    )


def carry_scores(
    calibration: ScoreCalibration | None,
    people: EligibleUsers,
    known: UserBatch,
    tower: OnnxUserTower,
    layout: VectorLayout | None,
    popular: np.ndarray,
) -> ScoreCalibration | None:
    """What the scores of the last training are worth, after what an earlier one's were.

    Args:
        calibration: Of the towers that the window before the cut measured.
        people: Users as of the cut.
        known: What is known of them, row by row.
        tower: The user tower and the item vectors that are released.
        layout: Of their vectors; None where they do not say.
        popular: Popularity of every target item as of the cut [n_target].
    """
    from colisten.evaluation.score_calibration import carried
    from colisten.evaluation.score_rule import Activity

    if calibration is None or layout is None:
        return None
    logits = _logits(tower, layout, known, popular)
    return carried(calibration, people, logits, Activity.of(known, people.target_type))


def _logits(
    tower: OnnxUserTower, layout: VectorLayout, users: UserBatch, popular: np.ndarray
) -> Logits:
    from colisten.evaluation.relative_logits import RelativeLogits

    vectors = tower.user_vectors(users)
    order = np.argsort(-popular, kind="stable")
    relative = RelativeLogits.over(layout, tower.item_vectors, order)

    def logits(rows: np.ndarray) -> np.ndarray:
        return relative.of(vectors[rows] @ tower.item_vectors.T, vectors[rows])

    return logits
