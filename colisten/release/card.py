"""A release's model card: what it learned from, for whom it is good, and what it is not good at.

All of it is read off the manifest, which is bound by digest, the release's own word on its scores,
and the journal; a release of an older version has a card with what its manifest holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from colisten.evaluation.score_calibration import ScoreCalibration
from colisten.evaluation.slices import NEW_ITEMS
from colisten.models.choices import Choice
from colisten.ranking.model_rankers import POPULARITY
from colisten.ranking.rankers import CHANCE
from colisten.release.backtest import MRR, Backtest, Figure, Gap
from colisten.release.floor import LEAST_USERS, in_words, user_parts
from colisten.release.manifest import Manifest

ABOVE, BELOW, UNSURE, FEW = "surely above", "surely below", "not sure", "not sure, few users"


@dataclass(frozen=True)
class Standing:
    """The release on one slice by one measure.

    Attributes:
        part: The slice, as the evaluation calls it.
        whom: Its users, in words.
        users: How many they are.
        metric: The measure.
        own: Of the release.
        popular: Of popular items; None where they were not measured.
        rival: The best of all other models, chance left out; None where there is no other.
        best: Its figure.
        gap: Own minus popular on the same users.
        behind: Own minus best, where the whole interval lies below zero; else None.
        verdict: Where own stands against popular by the interval of the gap.
    """

    part: str
    whom: str
    users: int
    metric: str
    own: Figure
    popular: Figure | None
    rival: str | None
    best: Figure | None
    gap: Gap | None
    behind: Gap | None
    verdict: str


@dataclass(frozen=True)
class Card:
    """What a release says of itself.

    Attributes:
        release_id: Its name.
        target_type: What it recommends.
        as_of: Moment that ended its learning.
        measured_from: Moment that starts the window that measured it; empty where none is told.
        window_days: Length of that window.
        subject: Name of its model in the figures.
        confidence: Mass of every interval.
        learned_from: Counts of its data.
        choices: What its training chose between.
        standing: By slice and measure.
        limits: What it is not good at, or not known to be, a sentence each.
        scores: What its scores are worth as probabilities; None where it does not say.
        software: Versions, by name.
    """

    release_id: str
    target_type: str
    as_of: str
    measured_from: str
    window_days: int
    subject: str
    confidence: float
    learned_from: dict[str, int]
    choices: tuple[Choice, ...]
    standing: tuple[Standing, ...]
    limits: tuple[str, ...]
    scores: ScoreCalibration | None = None
    software: dict[str, str] = field(default_factory=dict)

    @property
    def users(self) -> dict[str, int]:
        """Users that measured it, by slice."""
        return {one.part: one.users for one in self.standing}

    @classmethod
    def read(cls, folder: Path, software: Mapping[str, str] | None = None) -> Card:
        """The card of the release that lies in a folder.

        Raises:
            ReleaseCorrupt: Its manifest or its calibration cannot be read.
        """
        return cls.of(Manifest.read(folder), software, ScoreCalibration.read(folder))

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        software: Mapping[str, str] | None = None,
        scores: ScoreCalibration | None = None,
    ) -> Card:
        """The card of a release.

        Args:
            manifest: Of the release.
            software: What made it, as the journal has it.
            scores: What its folder says of its scores.
        """
        table = Backtest(manifest.metrics)
        standing = _standings(table)
        return cls(
            release_id=manifest.release_id,
            target_type=manifest.target_type,
            as_of=manifest.as_of,
            measured_from=str(manifest.metrics.get("cut", "")),
            window_days=int(manifest.metrics.get("window_days", 0)),
            subject=table.subject,
            confidence=table.confidence,
            learned_from=dict(manifest.counts),
            choices=manifest.choices,
            standing=standing,
            limits=_limits(table, standing),
            scores=scores,
            software=dict(software or {}),
        )


def window(card: Card) -> str:
    """When it learned and when it was measured, in a sentence."""
    learned = f"It learned from events before {card.as_of[:10]}"
    if not card.measured_from:
        return f"{learned}."
    return (
        f"{learned}. The figures are of the same training as of {card.measured_from[:10]}, "
        f"measured on the {card.window_days} days from then on."
    )


def _standings(table: Backtest) -> tuple[Standing, ...]:
    rivals = [model for model in table.models if model not in (table.subject, CHANCE)]
    found = []
    for part in (*user_parts(table), NEW_ITEMS):
        for metric in (table.hits, MRR):
            own = table.figure(table.subject, metric, part)
            if own is None:
                continue
            rival = table.best(rivals, metric, part)
            gap = table.gap(POPULARITY, metric, part)
            found.append(
                Standing(
                    part=part,
                    whom=_whom(part),
                    users=table.users(part),
                    metric=metric,
                    own=own,
                    popular=table.figure(POPULARITY, metric, part),
                    rival=rival,
                    best=None if rival is None else table.figure(rival, metric, part),
                    gap=gap,
                    behind=_behind(table, rival, metric, part),
                    verdict=_verdict(gap, table.users(part)),
                )
            )
    return tuple(found)


def _behind(table: Backtest, rival: str | None, metric: str, part: str) -> Gap | None:
    gap = None if rival is None else table.gap(rival, metric, part)
    surely = gap is not None and gap.high is not None and gap.high < 0
    return gap if surely and table.users(part) >= LEAST_USERS else None


def _whom(part: str) -> str:
    if part == NEW_ITEMS:
        return "users who started a title that nobody had started"
    return "all users" if part == "all" else in_words(part)


def _verdict(gap: Gap | None, users: int) -> str:
    if users < LEAST_USERS:
        return FEW
    if gap is None or gap.low is None or gap.high is None or gap.low <= 0 <= gap.high:
        return UNSURE
    return ABOVE if gap.low > 0 else BELOW


def _limits(table: Backtest, standing: tuple[Standing, ...]) -> tuple[str, ...]:
    if not standing:
        return ("Nothing is known of its quality: no user had a target in the window.",)
    said = []
    for part in dict.fromkeys(one.part for one in standing if one.part != NEW_ITEMS):
        own = [one for one in standing if one.part == part]
        if own[0].verdict == FEW:
            said.append(
                f"Not sure about {own[0].whom}: {own[0].users:,} of them had a target, too few "
                "to say anything."
            )
            continue
        for verdict, words in ((BELOW, "Worse than"), (UNSURE, "Not surely better than")):
            named = [f"{one.metric} {_against(one)}" for one in own if one.verdict == verdict]
            if named:
                said.append(
                    f"{words} popular items for {own[0].whom} ({own[0].users:,}): "
                    f"{' and '.join(named)}."
                )
        said += [
            f"Worse than {one.rival} for {one.whom} ({one.users:,}): {one.metric} "
            f"{one.own.value:.4f} against {one.best.value:.4f}."
            for one in own
            if one.behind is not None and one.best is not None and one.rival != POPULARITY
        ]
    said.append(_never_started(table, standing))
    return tuple(said)


def _against(one: Standing) -> str:
    against = "" if one.popular is None else f" against {one.popular.value:.4f}"
    return f"{one.own.value:.4f}{against}"


def _never_started(table: Backtest, standing: tuple[Standing, ...]) -> str:
    found = next(
        (one for one in standing if (one.part, one.metric) == (NEW_ITEMS, table.hits)), None
    )
    titles = "Titles that nobody had started before the cut"
    if found is None:
        return f"{titles}: not measured, since no user started one in the window."
    if found.users < LEAST_USERS:
        return f"{titles}: not sure, since no more than {found.users:,} of the users started one."
    percent = f"{100 * found.own.value:.1f} %"
    return (
        f"{titles}: of {found.users:,} users who started one, {percent} had one among their first "
        f"{table.k}."
    )
