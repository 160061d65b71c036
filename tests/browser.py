"""One Chromium for many pages: what a page did when somebody opened it and moved about on it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.chromium import FLAGS

_PATIENCE = 60.0
_QUIET = 1.0
# Every element is pointed at and, where it is a link or a control, clicked.
_TOUCH = """
(() => {
  const kinds = ["mouseover", "mouseenter", "mousemove", "pointerover", "focus"];
  // plotly takes none but real moves, which follow.
  const all = [...document.querySelectorAll("body *")].filter(e => !e.closest(".js-plotly-plot"));
  for (const one of all.slice(0, 4000))
    for (const kind of kinds) one.dispatchEvent(new MouseEvent(kind, {bubbles: true}));
  for (const one of document.querySelectorAll("a, button, [role=button], [role=tab], summary"))
    if (!one.closest(".modebar"))
      one.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
})()
"""
# All text that is drawn: innerText leaves out that of pictures.
_READ = """
(() => {
  const skip = new Set(["SCRIPT", "STYLE", "NOSCRIPT"]);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const parts = [];
  while (walker.nextNode())
    if (!skip.has(walker.currentNode.parentNode.nodeName)) parts.push(walker.currentNode.data);
  return parts.join(" ");
})()
"""
_MARKS = """
[...document.documentElement.attributes].map(a => a.name).filter(n => n.startsWith("data-ran"))
"""
_LINKS = """
[...document.querySelectorAll("a")].map(
  a => a.getAttribute("href") || a.getAttribute("xlink:href") || "").filter(a => a)
"""
_FIGURES = "document.querySelectorAll('.nsewdrag')"
_PLACE = """
figure => {
  figure.scrollIntoView({block: "center"});
  return figure.getBoundingClientRect().toJSON();
}
"""
_HOVERED = "[...document.querySelectorAll('.hoverlayer')].map(e => e.textContent).join(' ')"
_KINDS = "[...new Set([...document.querySelectorAll('body *')].map(e => e.nodeName.toLowerCase()))]"


@dataclass
class Visit:
    """What happened on a page.

    Attributes:
        text: What a reader sees, blanks between the pieces.
        kinds: Names of the elements in its body.
        requests: Addresses that it asked for, its own left out.
        said: Messages on the console and in the browser's log, refusals of the policy too.
        dialogs: Windows that it opened.
        marks: Attributes of the root element whose name begins with `data-ran`.
        links: Where its links lead.
    """

    text: str = ""
    kinds: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @property
    def acted(self) -> list[str]:
        """What only a value that was run, or taken for markup, could have done."""
        return [*self.requests, *self.dialogs, *self.marks, *self.links]


class Browser:
    """Chromium without a window, and without a network but this machine, driven through a pipe."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            pytest.skip("chromium is not installed")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # Chromium reads the descriptors 3 and 4; a shell puts the pipes there.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", program),
                *(flag for flag in FLAGS if "virtual-time" not in flag),
                "--remote-debugging-pipe",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self._number = 0

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError):
            self._send("Browser.close")
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def visit(self, page: Path | str, *, touch: bool = True) -> Visit:
        """Open a page in a tab of its own, touch everything on it, and say what happened."""
        found = Visit()
        address = page if isinstance(page, str) else page.as_uri()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable", session)
        self.call("Page.navigate", session, url=address)
        self._settle(session, found, after="Page.loadEventFired")
        if touch:
            self.evaluate(session, _TOUCH)
            self._settle(session, found)
        hovers = self._hover(session, found)
        found.text = " ".join([*str(self.evaluate(session, _READ)).split(), *hovers])
        found.kinds = set(self.evaluate(session, _KINDS))
        found.marks = self.evaluate(session, _MARKS)
        found.links = self.evaluate(session, _LINKS)
        own = (address, "about:blank")
        found.requests = [
            url for url in found.requests if url not in own and not url.startswith("data:")
        ]
        self.call("Target.closeTarget", targetId=target)
        return found

    def picture(self, page: Path, *, width: int, most: int, dark: bool = False) -> bytes:
        """The top of a page as a WebP picture, as a reader with a screen of that width has it.

        Args:
            page: The file.
            width: Of the window, pixels; below 600 it is a phone.
            most: Greatest height, pixels; a page that is shorter is taken whole.
            dark: Whether the reader's system is dark.
        """
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable", session)
        screen = {"width": width, "height": most, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", session, **screen)
        self.call("Emulation.setScrollbarsHidden", session, hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, features=[scheme])
        self.call("Page.navigate", session, url=page.as_uri())
        self._settle(session, Visit(), after="Page.loadEventFired")
        bottom = self.evaluate(session, "document.body.getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": width, "height": min(most, bottom + 16), "scale": 1}
        answer = self.call("Page.captureScreenshot", session, format="webp", quality=80, clip=clip)
        self.call("Target.closeTarget", targetId=target)
        return base64.b64decode(answer["data"])

    def _hover(self, session: str, found: Visit) -> list[str]:
        """Move the pointer over every figure, as only real moves make plotly say what is there."""
        said = []
        for number in range(self.evaluate(session, f"{_FIGURES}.length")):
            box = self.evaluate(session, f"({_PLACE})({_FIGURES}[{number}])")
            for step in range(1, 8):
                self.call(
                    "Input.dispatchMouseEvent",
                    session,
                    type="mouseMoved",
                    x=box["x"] + box["width"] * step / 8,
                    y=box["y"] + box["height"] * (0.5 + 0.4 * (-1) ** step),
                )
                said += str(self.evaluate(session, _HOVERED)).split()
        self._settle(session, found)
        return said

    def evaluate(self, session: str, code: str) -> Any:
        """What a piece of JavaScript gives."""
        answer = self.call(
            "Runtime.evaluate", session, expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def hear(self, session: str, found: Visit) -> None:
        """Note what has happened in a tab meanwhile."""
        while (message := self._receive(0)) is not None:
            self._note(message, session, found)

    def _settle(self, session: str, found: Visit, after: str = "") -> None:
        """Until a while has passed in which nothing happened, once `after` has."""
        deadline = time.monotonic() + _PATIENCE
        quiet = deadline if after else time.monotonic() + _QUIET
        while time.monotonic() < quiet:
            if (message := self._receive(0.1)) is None:
                continue
            self._note(message, session, found)
            if quiet < deadline or message.get("method") == after:
                quiet = time.monotonic() + _QUIET

    def _note(self, message: dict[str, Any], session: str, found: Visit) -> None:
        name, about = message.get("method"), message.get("params", {})
        if message.get("sessionId") != session:
            return
        if name == "Network.requestWillBeSent":
            found.requests.append(about["request"]["url"])
        elif name in ("Page.frameRequestedNavigation", "Page.windowOpen"):
            found.requests.append(about["url"])
        elif name == "Page.javascriptDialogOpening":
            found.dialogs.append(about["message"])
            if not about.get("answered"):
                self._send("Page.handleJavaScriptDialog", session, accept=True)
        elif name == "Runtime.consoleAPICalled":
            found.said.append(" ".join(str(one.get("value", "")) for one in about["args"]))
        elif name == "Runtime.exceptionThrown":
            found.said.append(str(about["exceptionDetails"])[:500])
        elif name == "Log.entryAdded":
            found.said.append(about["entry"]["text"])

    def _send(self, method: str, session: str | None = None, **parameters: Any) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._number

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Ask Chromium for something (its DevTools protocol) and wait for the answer."""
        number = self._send(method, session, **parameters)
        kept, self._events = self._events, []
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if (message := self._receive(0.5)) is None:
                continue
            if message.get("id") == number:
                self._events = kept
                assert "error" not in message, (method, message)
                answer: dict[str, Any] = message["result"]
                return answer
            if message.get("method") == "Page.javascriptDialogOpening":
                # A page that waits for an answer would never give ours.
                self._send("Page.handleJavaScriptDialog", message["sessionId"], accept=True)
                message["params"]["answered"] = True
            kept.append(message)
        raise AssertionError(f"no answer to {method} in {_PATIENCE} s")

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        if self._events:
            return self._events.pop(0)
        deadline = time.monotonic() + seconds
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                return None
            if not (part := os.read(self._in, 1 << 20)):
                raise AssertionError("the browser is gone")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile, ended at the end."""
    opened = Browser(profile)
    try:
        yield opened
    finally:
        opened.close()
