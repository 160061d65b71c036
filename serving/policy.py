"""What a browser may do on the pages of the service.

The documentation of the API is shown by Swagger UI, which styles what it draws: it may load and
ask what this service itself serves, and nothing else. The page at `/` has a narrower policy of its
own.
"""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml", "starlette")

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Swagger UI styles what it draws, and has its icons in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Smaller answers than this are one packet or two anyhow.
COMPRESSION: dict[str, Any] = {"minimum_size": 4096, "compresslevel": 5}


class PagePolicy:
    """Adds the policy to whatever HTML has none, and tells browsers to take types as declared."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does; requests for shelves pass untouched."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Content-Security-Policy", POLICY)
            await send(message)

        await self._app(scope, receive, held)
