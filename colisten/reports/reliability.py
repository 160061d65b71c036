"""What was predicted beside what happened, for every page that draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from colisten.evaluation.score_calibration import EVERY_PAIR, SHOWN, Reliability, ScoreCalibration
from colisten.reports.charts import BOTTOM, LEFT, RIGHT, TOP, Plane, Point, Ranged, Scale, Series
from colisten.reports.charts import ends as reached

NO_SCORES = (
    "It does not say what scores are worth as probabilities, so answers have none: too little was "
    "started in the window, or an older version made it."
)


def reliability_plane(points: Sequence[tuple[float, Ranged, str]]) -> Plane:
    """Observed share against predicted probability, both logarithmic.

    A bin in which nothing was started is drawn at the lower edge.

    Args:
        points: Of each bin the predicted probability, above 0, what was observed and a note.
    """
    shares = [predicted for predicted, _, _ in points]
    shares += [share for share in reached(observed for _, observed, _ in points) if share > 0]
    # The least whisker of a bin without starts may be next to nothing.
    low = min(0.1, 10.0 ** math.floor(math.log10(min(shares))))
    high = min(1.0, 10.0 ** math.ceil(math.log10(max(shares))))
    x, y = (
        Scale(low, max(high, 10 * low), *both, log=True) for both in ((LEFT, RIGHT), (BOTTOM, TOP))
    )
    drawn = [
        Point(x(predicted), y(observed.value or 0.0), note, None, y.span(observed))
        for predicted, observed, note in points
    ]
    diagonal = [Point(x(end), y(end)) for end in (x.low, x.high)]
    return Plane(
        "predicted →",
        "↑ observed",
        x.ticks(shares=True),
        y.ticks(shares=True),
        [Series("", "own", drawn), Series("", "chance", diagonal, joined=True)],
    )


def score_planes(calibration: ScoreCalibration) -> list[tuple[str, Plane, str]]:
    """A caption, a plane and a note for the shelves and for every pair."""
    return [
        (
            name.capitalize() + (" users" if name not in (SHOWN, EVERY_PAIR) else ""),
            _plane(one),
            f"{one.starts:,} starts of {one.users:,} users",
        )
        for name, one in calibration.reliability.items()
    ]


def _plane(one: Reliability) -> Plane:
    return reliability_plane(
        [
            (
                max(each.predicted, 1e-12),
                each.observed,
                f"predicted {each.predicted:.3%}, observed {each.observed.value or 0:.3%} of "
                f"{each.pairs:,} pairs",
            )
            for each in one.bins
        ]
    )


def scores_in_words(calibration: ScoreCalibration | None) -> list[str]:
    """What scores are worth, in sentences."""
    if calibration is None:
        return [NO_SCORES]
    shown = calibration.reliability[SHOWN]
    least, most = shown.bins[0].predicted, shown.bins[-1].predicted
    sentences = [
        f"A score is the probability that this user starts this title within "
        f"{calibration.window_days} days. Of the first {calibration.k} titles of {shown.users:,} "
        f"users {shown.starts:,} were started; predicted was {least:.2%} in the lowest and "
        f"{most:.2%} in the highest tenth.",
        f"The probabilities are off by {shown.error:.4f} on average (expected calibration error); "
        f"exact ones would be by {shown.error_of_truth.value or 0:.4f} in a window like this, and "
        f"by no more than {shown.error_of_truth.high or 0:.4f} in 95 % of them.",
    ]
    gain = shown.log_loss_of_rate - shown.log_loss
    if gain <= 0:
        sentences.append("They tell titles and users apart no better than one rate for all does.")
    return sentences
