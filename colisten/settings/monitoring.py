"""What is reported on windows, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colisten.settings.section import Positive, Section


class MonitoringSettings(Section):
    """Reports: of drift, and those that were made before."""

    evidently: Literal["watch", "always", "never"] = Field(
        "watch",
        description="When Evidently draws a page of its own beside the report of drift, which "
        "takes it some ten seconds of CPU: by the monitor pipeline alone (watch), after every run "
        "as well, or never.",
    )
    keep_runs: Positive = Field(
        60,
        description="Reports of a kind whose figures are kept, the newest: what alerts count runs "
        "in, and what Evidently's UI shows.",
    )
    fail_on: Literal["page", "ticket"] | None = Field(
        None,
        description="Alerts of the rules to start from (`colisten monitor rules`) that fail the "
        "monitor pipeline once its report is written: page: grave ones; ticket: all; null: none.",
    )
