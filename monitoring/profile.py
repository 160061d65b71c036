"""What is kept of a window: counts over frozen bins, sketches, volumes; never a row.

A profile is some kilobytes whatever the window's size, so windows of months ago stay comparable
after their rows are gone.
"""

from __future__ import annotations

from colisten.extras import needs

needs("datasketches")

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

import numpy as np
import pandas as pd
from datasketches import kll_doubles_sketch
from pydantic import BaseModel, ConfigDict

from colisten.monitoring.bins import ACCURACY, Bins, text_counts
from colisten.monitoring.distances import (
    chance_jensen_shannon,
    chance_psi,
    jensen_shannon,
    psi,
)
from colisten.monitoring.windows import plain_columns

FORMAT = 1


class ColumnProfile(BaseModel):
    """One column of one window.

    Attributes:
        rows: Of the window.
        missing: Those without a value; a number that is not finite is none.
        bins: Where values were counted.
        counts: Values in each bin.
        others: Texts without a bin of their own and how often each is there, the common ones.
        sketch: Of numbers: a KLL sketch as base64; None where it was not asked for.
        under: What the values were computed with: a release, axes of taste; None where they are
            those of the tables. Values under different ones are not compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    missing: int
    bins: Bins
    counts: tuple[int, ...]
    others: dict[str, int] = {}
    sketch: str | None = None
    under: str | None = None

    @property
    def values(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Share of rows without a value; 1 of an empty window."""
        return self.missing / self.rows if self.rows else 1.0

    @property
    def median(self) -> float | None:
        """Of numbers, by the sketch; None where there is none."""
        if self.sketch is None or not self.values:
            return None
        sketch = kll_doubles_sketch.deserialize(base64.b64decode(self.sketch))
        return float(sketch.get_quantile(0.5))

    @classmethod
    def of_numbers(
        cls,
        values: np.ndarray,
        bins: Bins | None = None,
        *,
        sketched: bool = True,
        under: str | None = None,
    ) -> Self:
        """Profile numbers.

        Args:
            values: float64 [rows]; what is not finite is missing.
            bins: Frozen before; None freezes those of these values.
            sketched: Whether the profile keeps a sketch; it has one where bins are frozen.
            under: What the values were computed with.
        """
        finite = values[np.isfinite(values)]
        sketch = None
        if sketched or bins is None:
            sketch = kll_doubles_sketch(ACCURACY)
            sketch.update(finite)
        if bins is None:
            bins = Bins.of_sketch(sketch)
        return cls(
            rows=len(values),
            missing=len(values) - len(finite),
            bins=bins,
            counts=tuple(bins.counts_of_numbers(finite).tolist()),
            sketch=None if sketch is None else base64.b64encode(sketch.serialize()).decode(),
            under=under,
        )

    @classmethod
    def of_texts(
        cls,
        counts: Mapping[str, int],
        rows: int,
        bins: Bins | None = None,
        *,
        under: str | None = None,
    ) -> Self:
        """Profile texts, from how often each is there among `rows` rows; arguments as above."""
        if bins is None:
            bins = Bins.of_categories(counts)
        return cls(
            rows=rows,
            missing=rows - sum(counts.values()),
            bins=bins,
            counts=tuple(bins.counts_of_texts(counts).tolist()),
            others=bins.others(counts),
            under=under,
        )

    def distance(self, reference: ColumnProfile) -> float:
        """PSI of numbers, Jensen-Shannon distance of texts; both count over the same bins."""
        by = psi if self.bins.are_of_numbers else jensen_shannon
        return by(reference.counts, self.counts)

    def chance(self, reference: ColumnProfile) -> float:
        """Distance that sampling alone gives on average."""
        by = chance_psi if self.bins.are_of_numbers else chance_jensen_shannon
        filled = sum(1 for pair in zip(reference.counts, self.counts, strict=True) if any(pair))
        return by(filled, reference.values, self.values)

    def shares(self) -> dict[str, float]:
        """Of texts: the share of values that each named one has."""
        named = dict(zip(self.bins.categories or (), self.counts, strict=False)) | self.others
        return {name: count / self.values for name, count in named.items()} if self.values else {}


class WindowProfile(BaseModel):
    """One window.

    Attributes:
        since, until: `[since, until)`, UTC.
        release: Live while it was profiled; None where none was.
        rows: Users who did anything in it.
        columns: Profiles by column.
        volume: Counts by what is counted: `users`, `events`, `audiobook events`, `SE users`.
        registered: Users of the users table by country, at the time of profiling; empty in a
            profile that was rebuilt from later tables.
        tables: By table, and by column of it, the share of rows without a value.
        ages: Days between the window's end and the newest moment of what is named: `tables`,
            `features`, `release`.
        release_change: Figures of the release against the one before it.
        skew: By feature, share of users for whom serving and training differ.
        moved: Checks that moved when it was judged, `kind:of`; such a window is no measure of what
            is usual.
        rebuilt: Whether it was made later, from tables that may have changed since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    since: datetime
    until: datetime
    release: str | None = None
    rows: int
    columns: dict[str, ColumnProfile]
    volume: dict[str, int] = {}
    registered: dict[str, int] = {}
    tables: dict[str, dict[str, float]] = {}
    ages: dict[str, float] = {}
    release_change: dict[str, float] = {}
    skew: dict[str, float] = {}
    moved: tuple[str, ...] = ()
    rebuilt: bool = False

    @property
    def days(self) -> float:
        """Its length."""
        return (self.until - self.since).total_seconds() / 86_400


def profile_columns(
    frame: pd.DataFrame,
    bins: Mapping[str, Bins] | None = None,
    *,
    under: Mapping[str, str] | None = None,
) -> dict[str, ColumnProfile]:
    """Profile every column of a frame; values are read as `plain_columns` makes them.

    Args:
        frame: One row per user.
        bins: Frozen before, by column; others are frozen now. A column that changed from numbers
            to texts, or back, has bins of its own again.
        under: What columns were computed with, by column.

    Raises:
        ReportError: Two columns have one name.
    """
    frozen, computed, profiles = bins or {}, under or {}, {}
    for name, values in plain_columns(frame).items():
        own, known = computed.get(name), frozen.get(name)
        numbers = values.dtype.kind == "f"
        if known is not None and known.are_of_numbers != numbers and values.notna().any():
            known = None
        if known.are_of_numbers if known is not None else numbers:
            numbers_of = values.to_numpy(dtype=np.float64)
            profiles[name] = ColumnProfile.of_numbers(numbers_of, known, under=own)
        else:
            counts = text_counts(values)
            profiles[name] = ColumnProfile.of_texts(counts, len(values), known, under=own)
    return profiles


def pooled(profiles: Iterable[ColumnProfile]) -> ColumnProfile:
    """Several windows' profiles of a column over the same bins as one."""
    windows = list(profiles)
    counts = np.sum([one.counts for one in windows], axis=0)
    others: dict[str, int] = {}
    for one in windows:
        for value, count in one.others.items():
            others[value] = others.get(value, 0) + count
    return windows[-1].model_copy(
        update={
            "rows": sum(one.rows for one in windows),
            "missing": sum(one.missing for one in windows),
            "counts": tuple(counts.tolist()),
            "others": others,
        }
    )
