"""What is said of a run that failed, and to whom."""

from __future__ import annotations

import os
from typing import Any

from colisten.components.failures import noted
from colisten.logs import configure_logs, logger
from colisten.variables import RUN, WEBHOOK
from colisten.webhook import post

_MOST_CHARS = 2_000


def tell(home: str, status: Any) -> None:
    """Log how a run ended and, where it failed and a webhook is set, post it there.

    Whatever goes wrong on the way is logged: a message that cannot be sent fails no run.

    Args:
        home: Folder that owns the releases, to say which of several homes it is.
        status: A `PipelineTaskFinalStatus`.
    """
    configure_logs()
    log = logger("notify")
    said = message(home, status)
    if said is None:
        log.info("run ended", state=status.state)
        return
    log.error("run failed", **{key: value for key, value in said.items() if key != "text"})
    delivery = post(os.environ.get(WEBHOOK, ""), said)
    if delivery.told:
        log.info("told", status=delivery.status)
    else:
        log.warning("nobody was told", reason=delivery.reason)


def message(home: str, status: Any) -> dict[str, Any] | None:
    """What is said: `text` for people, which chat services show, and the same as fields.

    None where the run did not fail.
    """
    if status.state in ("SUCCEEDED", "COMPLETE", "CACHED"):
        return None
    failures = noted() or [
        {
            "step": status.pipeline_task_name or "unknown",
            "reason": (status.error_message or "see the run's page")[:_MOST_CHARS],
        }
    ]
    run = os.environ.get(RUN, "") or status.pipeline_job_resource_name
    what = "; ".join(f"{each['step']}: {each['reason']}" for each in failures)
    return {
        "text": f"colisten run {run} {status.state.lower()} in {what}"[:_MOST_CHARS],
        "run": run,
        "state": status.state,
        "home": home,
        "failures": failures,
    }
