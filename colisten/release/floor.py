"""Never below the obvious: is a release surely worse than popular items for some kind of user?

Judged are all users, warm and cold ones, those with a short, a middling and a long history, those
who had a title with text and those who had none: each slice by hit rate and by MRR, subject minus
popularity on the same users. Sixteen comparisons at 95 % would refuse a model that is exactly as
good as popularity one time in four (simulated with 150 users and with 600), so each is held to its
share of that doubt (Bonferroni, which holds however slices overlap): the interval is stretched by
the ratio of the normal quantiles, and a hit rate must fail the exact test at that level too. So
corrected, one in forty is refused at most. A slice of fewer than `LEAST_USERS` decides nothing:
there the bootstrap is narrower than it says, five times as often wrong as it should be, and one
user weighs more than three points of hit rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colisten.evaluation.slices import USER_SLICES
from colisten.ranking.model_rankers import POPULARITY
from colisten.release.backtest import ALL, MRR, Backtest, Figure, Gap
from colisten.statistics.interval import normal_quantile

LEAST_USERS = 30
"""With fewer users than this a slice decides nothing."""

_WORDS = {
    "all": "users",
    "warm": "warm users",
    "cold": "cold users",
    "text": "users who had a title with text",
    "no text": "users who had no title with text",
}


@dataclass(frozen=True)
class Comparison:
    """Subject and popularity on one slice by one measure.

    Attributes:
        part: The slice.
        users: Its size.
        metric: The measure.
        own, popular: Both figures.
        gap: Own minus popular, as the table has it.
        held: The same with the interval that decides, corrected for all comparisons.
        below: Whether own is surely below popular.
    """

    part: str
    users: int
    metric: str
    own: Figure
    popular: Figure
    gap: Gap
    held: Figure
    below: bool

    @property
    def doubtful(self) -> bool:
        """Whether only the correction keeps it from being surely below."""
        return not self.below and _under_zero(self.gap)


@dataclass(frozen=True)
class Floor:
    """What the comparisons say.

    Attributes:
        subject: The model that is judged.
        comparisons: In the order of the slices; none where nothing could be compared.
    """

    subject: str
    comparisons: tuple[Comparison, ...]

    @property
    def below(self) -> tuple[Comparison, ...]:
        """Those that are surely below popularity."""
        return tuple(one for one in self.comparisons if one.below)

    @property
    def doubtful(self) -> tuple[Comparison, ...]:
        """Those that would be if they were the only one."""
        return tuple(one for one in self.comparisons if one.doubtful)

    def violations(self) -> list[str]:
        """A sentence for every slice that lies surely below popularity, with its figures."""
        parts = dict.fromkeys(one.part for one in self.below)
        return [self._violation([one for one in self.below if one.part == part]) for part in parts]

    def summary(self) -> str:
        """The sentence of a release that lies nowhere surely below."""
        slices = len({one.part for one in self.comparisons})
        metrics = " and ".join(dict.fromkeys(one.metric for one in self.comparisons))
        return (
            f"{self.subject} is nowhere surely below {POPULARITY}: {metrics} on {slices} "
            f"slice{'s' if slices > 1 else ''} of {LEAST_USERS} users or more."
        )

    def doubts(self) -> str:
        """The sentence of what is below by its own interval alone; empty where nothing is."""
        named = [
            f"{one.part} ({one.users:,} users, {one.metric} {one.gap})" for one in self.doubtful
        ]
        return (
            f"Below {POPULARITY}, but not surely among {len(self.comparisons)} comparisons: "
            f"{', '.join(named)}."
            if named
            else ""
        )

    def _violation(self, found: Sequence[Comparison]) -> str:
        first = found[0]
        figures = "; ".join(
            f"{one.metric} {one.own.value:.4f} of {self.subject} is surely below "
            f"{one.popular.value:.4f} of {POPULARITY} (difference {one.held}, corrected for "
            f"{len(self.comparisons)} comparisons)"
            for one in found
        )
        return f"Slice '{first.part}', {first.users:,} {in_words(first.part)}: {figures}."


def in_words(part: str) -> str:
    """The users of a slice, as a sentence names them."""
    return _WORDS.get(part, f"users with {part}")


def user_parts(table: Backtest) -> list[str]:
    """Slices of users that were measured, less those that are everybody under a second name."""
    return [part for part in USER_SLICES if part == ALL or 0 < table.users(part) < table.users(ALL)]


def against_popularity(table: Backtest) -> Floor:
    """Compare the subject with popularity on every slice of users that is large enough."""
    parts = [part for part in user_parts(table) if table.users(part) >= LEAST_USERS]
    found = [
        (part, metric, own, popular, gap)
        for part in parts
        for metric in (table.hits, MRR)
        if (own := table.figure(table.subject, metric, part))
        and (popular := table.figure(POPULARITY, metric, part))
        and (gap := table.gap(POPULARITY, metric, part))
    ]
    doubt = (1.0 - table.confidence) / max(1, len(found))
    factor = normal_quantile(1.0 - doubt) / normal_quantile(table.confidence)
    comparisons = []
    for part, metric, own, popular, gap in found:
        held = _stretched(gap, factor)
        below = _under_zero(held) and (gap.p_test is None or gap.p_test <= doubt)
        users = table.users(part)
        comparisons.append(Comparison(part, users, metric, own, popular, gap, held, below))
    return Floor(table.subject, tuple(comparisons))


def _stretched(gap: Gap, factor: float) -> Figure:
    """The interval of a higher confidence, each end as far from the value as a normal's would."""
    if gap.low is None or gap.high is None:
        return Figure(gap.value)
    reach = (gap.low - gap.value) * factor, (gap.high - gap.value) * factor
    return Figure(gap.value, gap.value + reach[0], gap.value + reach[1])


def _under_zero(figure: Figure) -> bool:
    return figure.high is not None and figure.high < 0
