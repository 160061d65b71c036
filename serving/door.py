"""Who is let in: whoever asks by a name of this service, and shows its token where it has one.

A page of another site that has its own name resolve to this machine (DNS rebinding) is, to a
browser, of the same origin as the service. It still has to say its own name as the `Host`, which
is none of ours. An address cannot be made to mean another machine, so addresses are taken.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette")

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from colisten.errors import ConfigError
from colisten.serving import metrics
from colisten.serving.problems import Fault, Refused, send_problem
from colisten.settings.door import DoorSettings
from colisten.variables import TOKEN

PROBES = frozenset({"/livez", "/healthz", "/readyz"})
"""What a cluster asks, which has neither name nor token, and which says nothing."""
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
LEAST_TOKEN = 16
# Never raised: an exception that is raised again and again keeps the trace of each time.
_NO_HOST = Refused(400, Fault(code="bad_request", detail="Send one Host header."))
_FOREIGN = Refused(
    421,
    Fault(
        code="foreign_host",
        detail="The service is not asked under this name; serving.hosts lists those it has.",
    ),
)
_NO_TOKEN = Refused(
    401,
    Fault(code="no_token", detail="Send the service's token as Authorization: Bearer TOKEN."),
    {"WWW-Authenticate": "Bearer"},
)


@dataclass(frozen=True)
class Admission:
    """What a request must show.

    Attributes:
        names: Names that its `Host` may have, besides addresses; None for those of this machine
            where it comes over the loopback, as what a browser here was led to does, else any.
        token: SHA-256 of the token; None where none is asked for.
    """

    names: frozenset[str] | None = None
    token: bytes | None = None

    @classmethod
    def of(cls, settings: DoorSettings, variables: Mapping[str, str]) -> Self:
        """As settings and environment say.

        Raises:
            ConfigError: The token's file cannot be read, or the token is no token.
        """
        names = None if settings.hosts is None else LOCAL.union(settings.hosts)
        where, token = TOKEN, variables.get(TOKEN)
        if settings.token_file is not None:
            where = f"serving.token_file ({settings.token_file})"
            try:
                token = Path(settings.token_file).read_text(encoding="ascii").strip()
            except (OSError, ValueError) as error:
                raise ConfigError(f"Cannot read {where}: {error}.") from error
        if token is None:
            return cls(names)
        if len(token) < LEAST_TOKEN or not (token.isascii() and token.isprintable()):
            raise ConfigError(
                f"{where} holds no token: {LEAST_TOKEN} printable ASCII characters or more.",
                "Make one, e.g. with `openssl rand -hex 32`.",
            )
        return cls(names, sha256(token.encode()).digest())

    def refusal(self, scope: Scope) -> Refused | None:
        """Why a request is not let in; None where it is.

        Its `Host` is foreign (421) or not there once (400), or it does not show the token (401).
        """
        host = shown = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host is not None:
                    return _NO_HOST
                host = value
            elif name == b"authorization":
                shown = value
        if host is None and scope.get("http_version") != "1.0":
            return _NO_HOST
        names = LOCAL if self.names is None and _over_loopback(scope) else self.names
        if names is not None and host is not None and not _is_one(host.decode("latin-1"), names):
            return _FOREIGN
        if self.token is not None and not self._shows(shown):
            return _NO_TOKEN
        return None

    def _shows(self, header: bytes | None) -> bool:
        kind, _, token = (header or b"").partition(b" ")
        found = sha256(token.strip()).digest()
        return hmac.compare_digest(found, self.token or b"") and kind.lower() == b"bearer"


def _over_loopback(scope: Scope) -> bool:
    """Whether a request came to an address that only this machine reaches."""
    address = (scope.get("server") or ("",))[0]
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def _is_one(host: str, names: frozenset[str]) -> bool:
    """Whether a `Host` has one of the names, or is an address."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name in names:
        return True
    name = name.lower().removesuffix(".")
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name in names
    return True


class Door:
    """Stands before an application.

    Args:
        app: What answers those who are let in.
        admission: What they must show now.
    """

    def __init__(self, app: ASGIApp, admission: Callable[[], Admission]) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or refuse."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            refused = self._admission().refusal(scope)
            if refused is not None:
                metrics.TURNED_AWAY.labels(refused.fault.code).inc()
                await send_problem(send, refused)
                return
        await self._app(scope, receive, send)
