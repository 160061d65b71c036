"""One tab of the browser in which somebody goes on doing things: types, presses, looks again."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tests.browser import Browser, Visit

_PATIENCE = 30.0
_KEYS = {
    "Enter": {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Tab": {"code": "Tab", "windowsVirtualKeyCode": 9},
    "Escape": {"code": "Escape", "windowsVirtualKeyCode": 27},
    " ": {"code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}


class Tab:
    """A page that stays open.

    Attributes:
        found: What has happened on it: requests, console, dialogs.
    """

    def __init__(
        self, browser: Browser, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> None:
        self._browser, self._width, self._height = browser, width, height
        self.found = Visit()
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        self._call("Emulation.setScrollbarsHidden", hidden=True)
        self._call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def run(self, code: str) -> Any:
        """What a piece of JavaScript gives; a promise is waited for. No policy holds it back."""
        self._browser.hear(self._session, self.found)
        return self._browser.evaluate(self._session, code)

    def until(self, code: str, seconds: float = _PATIENCE) -> Any:
        """Wait until JavaScript gives something true, and give it."""
        end = time.monotonic() + seconds
        while not (got := self.run(f"(() => {{ try {{ return {code}; }} catch {{}} }})()")):
            if time.monotonic() > end:
                shown = self.run("document.body.innerText")
                raise AssertionError(f"not within {seconds} s: {code}\n{self.found.said}\n{shown}")
            time.sleep(0.05)
        return got

    def text(self, selector: str = "body") -> str:
        """What a reader sees of an element."""
        return str(self.run(f"document.querySelector({selector!r}).innerText"))

    def type(self, selector: str, text: str) -> None:
        """Type into a field, in place of what it holds."""
        self.run(f"(e => {{ e.focus(); e.select(); }})(document.querySelector({selector!r}))")
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key where the focus is."""
        known = {"key": key, "modifiers": 8 if shift else 0, **_KEYS[key]}
        self._call("Input.dispatchKeyEvent", type="keyDown", **known)
        self._call("Input.dispatchKeyEvent", type="keyUp", **known)

    def click(self, selector: str) -> None:
        """Click what a selector finds first."""
        self.run(f"document.querySelector({selector!r}).click()")

    def picture(self, format: str = "webp", most: int | None = None) -> bytes:
        """The top of the page as a picture."""
        bottom = self.run("Math.ceil(document.body.getBoundingClientRect().bottom)")
        height = min(most or self._height, bottom)
        clip = {"x": 0, "y": 0, "width": self._width, "height": height, "scale": 1}
        quality = {} if format == "png" else {"quality": 85}
        answer = self._call(
            "Page.captureScreenshot",
            format=format,
            clip=clip,
            captureBeyondViewport=True,
            **quality,
        )
        return base64.b64decode(answer["data"])

    def offline(self, off: bool) -> None:
        """Cut the network off, or join it again."""
        self._call(
            "Network.emulateNetworkConditions",
            offline=off,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def before(self, code: str) -> None:
        """Run JavaScript on every page that is opened from now on, before its own."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=code)

    def close(self) -> None:
        """Close it."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)


@contextlib.contextmanager
def tab(browser: Browser, url: str | None = None, **view: Any) -> Iterator[Tab]:
    """A tab on a page, or an empty one; closed at the end."""
    opened = Tab(browser, **view)
    try:
        if url is not None:
            opened.open(url)
        yield opened
    finally:
        opened.close()
