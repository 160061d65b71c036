"""What is reported on windows, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colisten.settings.section import Section


class MonitoringSettings(Section):
    """Reports of drift."""

    evidently: Literal["watch", "always", "never"] = Field(
        "watch",
        description="When Evidently draws a page of its own beside the report of drift, which "
        "takes it some ten seconds of CPU: by the monitor pipeline alone (watch), after every run "
        "as well, or never.",
    )
