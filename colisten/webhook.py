"""The one way in which something is posted to whoever is to know: an address that keeps it.

A chat service, a pager or anything else that takes a POST of JSON with a `text` for people. Its
address is a secret, comes from the variable `COLISTEN_WEBHOOK` alone and stands in no message.
"""

from __future__ import annotations

from colisten.extras import needs

needs("urllib3")

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from colisten.addresses import keeps_secrets
from colisten.json_files import to_json
from colisten.variables import WEBHOOK

_TIMEOUT = urllib3.Timeout(connect=3, read=5)
_HEADERS = {"Content-Type": "application/json"}
_WAIT_SECONDS = 1.0
_BUSY = 429
_SERVER_FAULT = 500


@dataclass(frozen=True)
class Delivery:
    """What became of a message.

    Attributes:
        status: HTTP status of the last answer; None where nobody answered.
        reason: Why nobody was told; empty where somebody was.
    """

    status: int | None
    reason: str = ""

    @property
    def told(self) -> bool:
        """Whether the other side took it."""
        return not self.reason


def post(address: str, message: Mapping[str, Any], *, tries: int = 1) -> Delivery:
    """Post a message; whatever goes wrong is said and not raised, without the address.

    Five seconds for an answer at most, no redirect, and to https:// or this machine alone. A
    server that is busy or failing, or out of reach, is asked again, each time a second later
    than before.

    Args:
        address: Where to; empty: nowhere.
        message: JSON values.
        tries: How often, at most.
    """
    if not address:
        return Delivery(None, f"{WEBHOOK} is not set")
    if not keeps_secrets(address):
        return Delivery(None, f"{WEBHOOK} is no https:// address")
    delivery = _once(address, message)
    for again in range(1, tries):
        if delivery.told or not _may_pass(delivery.status):
            break
        time.sleep(_WAIT_SECONDS * again)
        delivery = _once(address, message)
    return delivery


def _once(address: str, message: Mapping[str, Any]) -> Delivery:
    try:
        answer = urllib3.PoolManager(retries=False, timeout=_TIMEOUT).request(
            "POST",
            address,
            body=to_json(message).encode(),
            headers=_HEADERS,
            redirect=False,
            preload_content=False,  # an answer's body is nobody's concern, however long
        )
        answer.release_conn()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # Its text would hold the address.
        return Delivery(None, type(error).__name__)
    refused = "" if 200 <= answer.status < 300 else f"it answers with status {answer.status}"
    return Delivery(int(answer.status), refused)


def _may_pass(status: int | None) -> bool:
    """Whether another try may have a better end."""
    return status is None or status == _BUSY or status >= _SERVER_FAULT
