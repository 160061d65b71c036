"""A port of its own for what operators ask: counters, what is served and on what, vectors.

Whoever asks for shelves need not see them, and need not be able to ask for the longest answers. The
port is another socket of the same worker; which paths are answered is said by the port that the
request came to. Workers share it as the kernel shares out connections.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette", "uvicorn")

import asyncio
import socket

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import Server

from colisten.serving.door import PROBES
from colisten.serving.problems import Fault, Refused, send_problem

PATHS = frozenset({"/metrics", "/v1/release", "/v1/user_vector", "/release", "/vector"})
_LOOK_SECONDS = 0.05
_ELSEWHERE = Refused(404, Fault(code="off", detail="This is answered at another port."))


class OperatorPort:
    """Answers `PATHS` where a request came to the operators' port, and all else where not.

    Args:
        app: What answers.
        port: The operators'.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or say that this is not the place."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            of_operators = (scope.get("server") or ("", None))[1] == self._port
            if of_operators != (scope["path"] in PATHS):
                await send_problem(send, _ELSEWHERE)
                return
        await self._app(scope, receive, send)


def listen_also(server: Server, host: str, port: int) -> asyncio.Task[None]:
    """Have a server take connections at another port as well, once it takes any; returns the task.

    Raises:
        OSError: The port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, reuse_port=True)
    return asyncio.get_running_loop().create_task(_listen(server, listening))


async def _listen(server: Server, listening: socket.socket) -> None:
    while not server.started:
        await asyncio.sleep(_LOOK_SECONDS)
    made = await asyncio.get_running_loop().create_server(
        lambda: server.config.http_protocol_class(  # type: ignore[call-arg]
            config=server.config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
        ),
        sock=listening,
    )
    # It ends as the others do.
    server.servers.append(made)
