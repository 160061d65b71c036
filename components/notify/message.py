"""What is said of a run that failed, and to whom."""

from __future__ import annotations

from colisten.extras import needs

needs("urllib3")

import os
from typing import Any

import urllib3

from colisten.addresses import keeps_secrets
from colisten.components.failures import noted
from colisten.logs import configure_logs, logger
from colisten.variables import RUN, WEBHOOK

_TIMEOUT = urllib3.Timeout(connect=3, read=5)
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
    address = os.environ.get(WEBHOOK, "")
    if not address:
        log.warning("nobody is told", reason=f"{WEBHOOK} is not set")
        return
    if not keeps_secrets(address):
        log.warning("nobody is told", reason=f"{WEBHOOK} is no https:// address")
        return
    try:
        answer = urllib3.PoolManager(retries=False, timeout=_TIMEOUT).request(
            "POST",
            address,
            json=said,
            redirect=False,
            preload_content=False,  # an answer's body is nobody's concern, however long
        )
        log.info("told", status=answer.status)
        answer.release_conn()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # Its text would hold the address.
        log.warning("nobody was told", reason=type(error).__name__)


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
