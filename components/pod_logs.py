"""What the pods of a job say, line by line in the log of who follows it."""

from __future__ import annotations

from colisten.extras import needs

needs("kubernetes", "urllib3")

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError

from colisten.shown import plain

_LAST_LINES, _SHOWN = 60, 5
_WAIT_SECONDS = 1.0
_CONTAINER = "node"
_STARTED = ("Running", "Succeeded", "Failed")


class PodLogs:
    """Follows every pod of a job in a thread of its own.

    Args:
        core: Kubernetes' API of pods.
        namespace: Theirs.
        selector: Labels of the job's pods.
    """

    def __init__(self, core: Any, namespace: str, selector: str) -> None:
        self._core, self._namespace, self._selector = core, namespace, selector
        self._last: dict[str, deque[str]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._states: dict[str, str] = {}
        self._closed = threading.Event()

    def look(self) -> None:
        """Follow pods that have come; never fails: a job trains on where its log is not read."""
        try:
            found = self._core.list_namespaced_pod(
                self._namespace, label_selector=self._selector, _request_timeout=(5, 10)
            ).items
        except (client.ApiException, HTTPError, OSError):
            return
        self._states = {pod.metadata.name: _state(pod) for pod in found}
        for pod in found:
            name = pod.metadata.name
            if pod.status.phase in _STARTED and name not in self._threads:
                self._last[name] = deque(maxlen=_LAST_LINES)
                thread = threading.Thread(target=self._follow, args=(name,), daemon=True)
                self._threads[name] = thread
                thread.start()

    def summary(self) -> str:
        """How the pods are, and what those said last that did not come to a good end."""
        for thread in self._threads.values():
            thread.join(2 * _WAIT_SECONDS)  # what a pod said at its end is still being read
        if not self._states:
            return "It has no pods."
        said = []
        for name, state in sorted(self._states.items()):
            last = "" if state == "Succeeded" else " | ".join(_telling(self._last.get(name, ())))
            said.append(f"{name}: {state}{': ' if last else ''}{last}")
        return "; ".join(said) + "."

    def close(self) -> None:
        """Follow no longer, but for what has been said already."""
        until = time.monotonic() + _WAIT_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))
        self._closed.set()

    def _follow(self, name: str) -> None:
        seen = ""
        while not self._closed.is_set():
            before = seen
            try:
                answer = self._core.read_namespaced_pod_log(
                    name,
                    self._namespace,
                    container=_CONTAINER,
                    follow=True,
                    timestamps=True,
                    _preload_content=False,
                )
                for line in _lines(answer.stream(amt=None, decode_content=False)):
                    stamp, _, text = line.partition(" ")
                    if self._closed.is_set():
                        return
                    # Asked again after a break, Kubernetes begins at the beginning.
                    if before and stamp <= before:
                        continue
                    seen = stamp
                    self._last[name].append(plain(text))
                    print(f"{name}: {plain(text)}", flush=True)
                return
            except client.ApiException as error:
                if error.status == 404:
                    return
            except (HTTPError, OSError):
                pass
            self._closed.wait(_WAIT_SECONDS)


def _state(pod: Any) -> str:
    """A pod's phase, and why it is not further."""
    waiting = [
        each.state.waiting.reason
        for each in pod.status.container_statuses or ()
        if each.state and each.state.waiting and each.state.waiting.reason
    ]
    unplaced = [
        each.message or each.reason
        for each in pod.status.conditions or ()
        if each.type == "PodScheduled" and each.status == "False"
    ]
    why = "; ".join(str(each) for each in (*waiting, *unplaced) if each)
    return f"{pod.status.phase} ({why})" if why else str(pod.status.phase)


def _telling(lines: Iterable[str]) -> list[str]:
    """Of a pod's last lines those that say why: torchrun ends with twenty of its own."""
    last = list(lines)
    errors = [line for line in last if "error" in line.lower()]
    return errors[:2] or last[-_SHOWN:]


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
