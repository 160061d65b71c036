"""What users are shown side by side, as data: arms, their shares, and the name of it all."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from colisten.errors import ConfigError
from colisten.settings.section import Name, Section
from colisten.settings.shares import check_control, planned_shares

LIVE, POPULAR = "live", "popular"


class ArmSettings(Section):
    """One arm."""

    share: float = Field(1.0, description="Share of users; of all arms together 1.")
    shows: Name = Field(
        LIVE,
        description="live: the live release, whichever that is; popular: what is popular by it (a "
        "holdout); else the id of a release.",
    )


class ExperimentSettings(Section):
    """Who is shown what by the service."""

    name: Name = Field(
        "shelf", description="Salt of the assignment: another name draws users anew."
    )
    arms: dict[Name, ArmSettings] = Field(
        {LIVE: ArmSettings()},
        min_length=1,
        max_length=20,
        description="By arm its share of users and what it shows: live (the live release), popular "
        "(what is popular by the live release: a holdout) or the id of a release that is held "
        "beside it.",
    )
    control: Name | None = Field(
        None, description="Arm that the others are compared with; null: the first."
    )

    @field_validator("arms")
    @classmethod
    def _planned(cls, arms: dict[str, ArmSettings]) -> dict[str, ArmSettings]:
        try:
            planned_shares({name: arm.share for name, arm in arms.items()})
        except ConfigError as error:
            raise ValueError(f"experiment.arms: {error}".rstrip(".")) from error
        return arms

    @model_validator(mode="after")
    def _known_control(self) -> ExperimentSettings:
        if self.control is not None:
            try:
                check_control(self.control, self.shares)
            except ConfigError as error:
                raise ValueError(f"experiment.control: {error}".rstrip(".")) from error
        return self

    @property
    def pinned(self) -> dict[str, str]:
        """By arm the release that it names, of those that name one."""
        return {
            name: arm.shows for name, arm in self.arms.items() if arm.shows not in (LIVE, POPULAR)
        }

    @property
    def shares(self) -> dict[str, float]:
        """By arm its share of users, summing to one."""
        return planned_shares({name: arm.share for name, arm in self.arms.items()})
