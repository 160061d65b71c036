"""Settings of the simulated listening world.

The defaults are calibrated: `colisten simulate` measures the written tables and prints its figures
beside the published ones (paper, section 2). Change a strength and the table shows what it does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from colisten.data.moments import EARLIEST, LATEST, days_from
from colisten.settings.section import Positive, Section, Share

Language = Literal["en", "de", "es", "sv"]
LANGUAGES: tuple[Language, ...] = ("en", "de", "es", "sv")

SIGNALS: tuple[str, ...] = ("preview", "intent_to_pay", "follow", "stream")
"""In the order of the codes in `journeys`: the weak ones first."""


class Country(Section):
    """Where users live and what they speak."""

    code: str = Field(description="Two letters, as in users.country.")
    language: Language = Field(description="First language of its users.")
    share: Annotated[float, Field(gt=0)] = Field(description="Weight among all users.")
    utc_offset: int = Field(ge=-12, le=14, description="Hours ahead of UTC.")


COUNTRIES: tuple[Country, ...] = (
    Country(code="US", language="en", share=0.30, utc_offset=-5),
    Country(code="GB", language="en", share=0.15, utc_offset=1),
    Country(code="DE", language="de", share=0.22, utc_offset=2),
    Country(code="ES", language="es", share=0.11, utc_offset=2),
    Country(code="MX", language="es", share=0.09, utc_offset=-6),
    Country(code="SE", language="sv", share=0.13, utc_offset=2),
)


class WorldSettings(Section):
    """What world is drawn. Equal settings give byte-equal files on the same machine."""

    seed: int = Field(0, ge=0, description="Seed of everything random.")
    users: int = Field(5_000, ge=20, description="Users.")
    audiobooks: int = Field(600, ge=40, description="Audiobooks: the new content type.")
    podcasts: int = Field(2_000, ge=40, description="Podcasts: the established type.")
    music: int = Field(0, ge=0, description="Artists, items of a third type `music`; 0: none.")
    days: int = Field(120, ge=28, description="Days of listening before `end`.")
    end: date = Field(date(2025, 6, 30), description="First day (UTC) after the last event.")
    holdout_days: Positive = Field(14, description="Days after the suggested cut (paper: 14).")
    chunk_users: Positive = Field(
        1_000,
        description="Users drawn and written at a time: bounds memory. Each chunk has a seed of "
        "its own, so another size is another world.",
    )

    countries: tuple[Country, ...] = Field(
        COUNTRIES, min_length=1, description="Where users live: language, share, hours from UTC."
    )
    languages: tuple[Language, ...] = Field(
        LANGUAGES, min_length=1, description="Languages of the catalogue."
    )
    music_dim: Positive = Field(24, description="Length of a music taste vector.")
    hidden_dim: Positive = Field(6, description="Taste dimensions that no text shows.")

    visible_strength: float = Field(7.5, ge=0, description="Pull of taste that text shows.")
    hidden_strength: float = Field(3.5, ge=0, description="Pull of taste that no text shows.")
    shared_taste: Share = Field(0.8, description="Share of a taste common to all content types.")
    text_noise: Share = Field(0.15, description="Chance that a topic word is off-topic.")
    genre_noise: Share = Field(0.15, description="Chance that a genre is not the main topic.")
    audiobook_tail: float = Field(4.5, gt=0, description="Power-law exponent of popularity.")
    podcast_tail: float = Field(1.1, gt=0, description="Power-law exponent of popularity.")
    author_taste: Share = Field(
        0.0,
        description="Share of a title's taste and standing that is its author's (of a podcast's, "
        "its publisher's); above 0 `links.parquet` tells who made what.",
    )

    podcast_users: Share = Field(0.85, description="Users who listen to podcasts.")
    audiobook_users: Share = Field(0.6, description="Users who take up audiobooks before `end`.")
    new_users: Share = Field(0.3, description="Users who join within the window.")
    new_audiobooks: Share = Field(0.15, description="Audiobooks published within the window.")
    new_podcasts: Share = Field(0.1, description="Podcasts published within the window.")
    audiobook_rate: float = Field(
        5.0, gt=0, description="Mean audiobooks a listener turns to in 30 days, streamed or not."
    )
    podcast_shows: float = Field(12.0, gt=0, description="Mean podcasts of a podcast listener.")
    podcast_episodes: float = Field(2.5, ge=1, description="Mean streams of a chosen podcast.")

    @field_validator("countries")
    @classmethod
    def _codes_once(cls, countries: tuple[Country, ...]) -> tuple[Country, ...]:
        codes = [country.code for country in countries]
        if len(set(codes)) != len(codes):
            raise ValueError("a country is listed twice")
        return countries

    @model_validator(mode="after")
    def _within_the_calendar(self) -> WorldSettings:
        if self.start_moment < EARLIEST or self.end_moment > LATEST:
            span = f"{EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
            raise ValueError(f"{self.days} days before {self.end} do not lie within {span}")
        return self

    @property
    def start_moment(self) -> datetime:
        """First moment of listening, UTC."""
        return days_from(self.end_moment, -self.days)

    @property
    def end_moment(self) -> datetime:
        """Moment before which every event lies, UTC."""
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC)

    @property
    def cut(self) -> date:
        """Suggested cut: `holdout_days` (at most half of all days) before the end."""
        return self.end - timedelta(days=min(self.holdout_days, self.days // 2))

    @property
    def window_days(self) -> int:
        """Days between the suggested cut and the end."""
        return (self.end - self.cut).days
