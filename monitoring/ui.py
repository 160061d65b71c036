"""Evidently's UI on a folder's workspace: for reading, on this machine, and asking nobody else.

Evidently's own service takes whatever it is sent by whoever reaches it, and has no policy. Here it
lies behind a guard: it answers what reads and nothing else, on the names that it was started for
(so that no page from elsewhere reaches it by a name that points here), and its pages load and
send nothing but from and to itself.
"""

from __future__ import annotations

from colisten.extras import needs

needs("evidently", "uvicorn")

import base64
import contextlib
import hashlib
import io
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from evidently.ui.service.app import create_app
from evidently.ui.service.components.storage import LocalStorageComponent
from evidently.ui.service.components.telemetry import TelemetryComponent
from evidently.ui.service.local_service import LocalConfig, LocalServiceComponent

from colisten.addresses import is_loopback
from colisten.errors import ConfigError
from colisten.logs import logger
from colisten.monitoring.workspace import WORKSPACE, fill_workspace
from colisten.settings.alerts import AlertRules

FILL_SECONDS = 30.0
"""How soon a new report is in the workspace of a UI that runs."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

# What the pages post to read: a list of figures to draw.
_READS_BY_POST = re.compile(r"/api/v2/snapshots/[0-9a-f-]{36}/data_series_batch")
# Reports as one file: what `OUT/reports` has, under a policy of its own.
_LEFT_OUT = re.compile(r".*/download")
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_log = logger("monitor")


class ReportsUi:
    """The UI as an ASGI application: reading, on known names alone, under a policy.

    Args:
        home: Folder of a run.
        rules: Each is a test of Evidently's.
        names: Hosts that a browser may ask for; None: any.
    """

    def __init__(self, home: Path, rules: AlertRules, names: Iterable[str] | None) -> None:
        self._home, self._rules = home, rules
        self._names = None if names is None else frozenset(names)
        self._headers = _headers()
        fill_workspace(home, rules)
        self._app = _evidently(home)

    def refresh(self) -> bool:
        """Show the reports that were made since; whether there are any.

        Evidently's own watcher sees no file that is renamed into its place, and none that goes.
        """
        filled = fill_workspace(self._home, self._rules)
        if filled.added or filled.removed:
            self._app = _evidently(self._home)
        return bool(filled.added or filled.removed)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer, or refuse what is not for reading."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            raise ValueError(f"Nothing here speaks {scope['type']}.")
        elif not self._known(scope):
            await _refuse(send, 421, b"This is not the name that colisten monitor ui answers to.\n")
        elif not _reads(scope):
            await _refuse(send, 405, b"colisten monitor ui shows reports and takes none.\n")
        else:
            await self._app(scope, receive, self._sends_headers(send))

    def _known(self, scope: _Message) -> bool:
        if self._names is None:
            return True
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and re.sub(r":\d+$", "", hosts[0]).lower() in self._names

    def _sends_headers(self, send: _Send) -> _Send:
        async def sent(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        return sent


def serve_ui(
    home: Path, rules: AlertRules, *, host: str, port: int, ready: Callable[[], None]
) -> None:
    """Show the workspace until a signal ends it, filled anew as reports are made.

    Args:
        home: Folder of a run.
        rules: Each is a test of Evidently's.
        host, port: Where to listen; on another machine's address whoever reaches it may read.
        ready: Called once the workspace is filled and the socket listens.

    Raises:
        ConfigError: Nobody can listen there.
    """
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise ConfigError(
            f"Nobody can listen on {host}, port {port}: {error.strerror or error}.",
            "Choose another by --host and --port.",
        ) from error
    names = {"localhost", "127.0.0.1", "[::1]", host} if is_loopback(host) else None
    with listening:
        app = ReportsUi(home, rules, names)
        ended = threading.Event()
        filler = threading.Thread(target=_refresh, args=(app, ended), daemon=True)
        filler.start()
        ready()
        try:
            config = uvicorn.Config(app, log_level="warning", access_log=False)
            uvicorn.Server(config).run([listening])
        finally:
            ended.set()
            filler.join()


def _refresh(app: ReportsUi, ended: threading.Event) -> None:
    while not ended.wait(FILL_SECONDS):
        try:
            app.refresh()
        except (OSError, ValueError) as error:
            # What is shown meanwhile is what was there before.
            _log.warning("workspace not filled", error=str(error)[:500])


def _evidently(home: Path) -> _App:
    """Evidently's service on a folder's workspace, with its telemetry off."""
    config = LocalConfig(
        storage=LocalStorageComponent(path=str(home / WORKSPACE), autorefresh=False),
        telemetry=TelemetryComponent(enabled=False),
        service=LocalServiceComponent(),
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it lists its parts
        app: _App = create_app(config)
    return app


def _reads(scope: _Message) -> bool:
    """Whether a request changes nothing; each that does is known by its method but for one."""
    if _LEFT_OUT.fullmatch(scope["path"]):
        return False
    if scope["method"] in ("GET", "HEAD"):
        return True
    return scope["method"] == "POST" and bool(_READS_BY_POST.fullmatch(scope["path"]))


async def _refuse(send: _Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers() -> list[tuple[bytes, bytes]]:
    """What a browser may do on the UI's pages: its own scripts, and no connection to others."""
    from evidently.ui.service.api import static

    index = (Path(static.BASE_PATH) / "index.html").read_bytes()
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(index)
    ]
    policy = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", *digests]),
        # plotly and the UI's own script style what they draw.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    rules = "; ".join(f"{name} {sources}" for name, sources in policy.items())
    return [
        (b"content-security-policy", rules.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
