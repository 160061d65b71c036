"""Five days of a service: tables grow by a day, `retrain` runs on them, users are served meanwhile.

Each day's pipeline is told where the tables are and when they were cut, and nothing else; settings
are compiled in. A service of two workers follows the folder from the first release on, and another
process asks it at an even pace until the end. On the third day users' ids stand beside events of
others, as after a join that lost its order: the gate is to refuse what was trained on that. On the
fourth the step that publishes is killed twice, and the same command is given again. At the end the
service is rolled back, and then to the second day's release. Pipelines and commands have a low
priority, as an operator gives them by `nice` on a machine that serves.

Every answer is held against what was live as it was asked for, against the catalogue of the release
that it names, and against what that release told the user when asked again by itself. Between the
moment at which online rows are swapped and the promotion after it, the old release answers from new
rows: there the last comparison is left out, and it is counted how often.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.day_answers import PERSONAL, Lived, Seen, each_answer, judged
from benchmarks.day_tables import day_tables, steady_users
from benchmarks.five_days_table import markdown
from benchmarks.home_files import (
    changed,
    leftovers,
    live_since,
    online_rows,
    published,
    served_bytes,
    titles,
)
from benchmarks.http_client import Client, client
from benchmarks.http_load import Answers, Closed, Paced, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.serving_process import RECOMMEND, Process, colisten, wait_until
from benchmarks.shelf_labels import shown
from colisten.json_files import read_mapping
from colisten.release.backtest import Backtest
from colisten.release.store import ReleaseStore
from colisten.simulator import WorldSettings, simulate

NAME = "five_days"
WORLD = WorldSettings(users=1_000, audiobooks=200, podcasts=400, days=60)
DOOR: tuple[str, ...] = ("pipeline", "run", "retrain")
"""The command that makes a day's release."""
SETTINGS: tuple[str, ...] = ("evaluation.baselines=false", "index.backend=exact")
SERVICE = (
    "index.backend=exact",
    "serving.deadline_ms=2000",
    "serving.features_budget_ms=1000",
    "serving.search_budget_ms=1000",
)
"""Patience of a service on whose cores models are trained."""
USUAL, SLIPPED, KILLED = "as usual", "users' ids slipped", "killed in mid-publish"
DAYS = (USUAL, USUAL, SLIPPED, KILLED, USUAL)
BACK_TO = 2
"""The day whose release is served at the end."""
WORKERS, USERS, PACE, PIECE = 2, 100, 20.0, 5.0
"""Requests a second, and for how many seconds the client is asked to go on at a time."""
NICE, SETTLED = 10, 3.0
"""Seconds after which every worker reads the online rows that a killed run has left."""
_TRIES = 10
_LOOK_SECONDS, _OFTEN_SECONDS = 0.1, 0.003
_LOAD = round(os.getloadavg()[0], 1)
_STEP = re.compile(r"^ *\d+/\d+ .* (done|cached)\b", re.MULTILINE)


class Load:
    """Asks at an even pace, in pieces, until it is told to end."""

    def __init__(self, asking: Client, requests: Requests) -> None:
        self._pieces: list[Answers] = []
        self._ended = threading.Event()
        self._asking, self._requests = asking, requests
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def end(self) -> list[Answers]:
        """Ask no more; what was answered."""
        self._ended.set()
        self._thread.join()
        return self._pieces

    def _go(self) -> None:
        while not self._ended.is_set():
            self._pieces.append(self._asking.ask(self._requests, Paced(PACE, PIECE), shown))


class Served:
    """What is served, and the service that is asked by itself beside the load once there is one."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._service: tuple[Process, Client, Requests] | None = None

    def begin(self, process: Process, checking: Client, requests: Requests) -> None:
        """From now on this service is asked."""
        self._service = process, checking, requests
        self.ask()

    def changed(self, home: Path, by: str) -> None:
        """Another release is live: wait until every worker answers by it, and ask."""
        live = ReleaseStore(home).live()
        assert live is not None
        if self._service is not None:
            process = self._service[0]
            wait_until(
                lambda: process.metric("colisten_release_workers", release_id=live) == WORKERS,
                process,
                look_seconds=0.1,
            )
        self.seen.lives.append(Lived(live_since(home), live, time.time(), by))
        self.ask()

    def ask(self) -> None:
        """Note every user's shelf as it is now."""
        if self._service is None:
            return
        _, checking, requests = self._service
        for _ in range(_TRIES):  # somebody may have got no shelf of their own beside all else
            given = checking.ask(requests, Closed(2, None), shown).labels
            own = [shelf for shelf in given if shelf is not None and shelf.rung == PERSONAL]
            for shelf in own:
                place = (shelf.release_id, shelf.user_id)
                self.seen.shelves.setdefault(place, set()).add(shelf.items)
            if len(own) == len(requests.bodies):
                break
        self.seen.asked.append(time.time())


def run() -> None:
    """All days, in a folder of their own."""
    with tempfile.TemporaryDirectory() as work:
        result = five_days(Path(work))
    write_result(NAME, {"benchmark": NAME, **machine(), "load_before": _LOAD, **result})
    print(markdown(result | machine()))


def five_days(work: Path) -> dict[str, Any]:
    """What came of every day, and of all requests."""
    home, served = work / "home", Served()
    simulate(work / "world", WORLD)
    first = Day(work, 1, DAYS[0], served)
    rows = [first.made()]
    users = steady_users(first.tables, USERS)
    with (
        colisten(home, SERVICE, workers=WORKERS) as process,
        client() as asking,
        client() as checking,
    ):
        bodies = [{"user_id": user, "k": 10} for user in users]
        requests = Requests(process.port, RECOMMEND, bodies)
        served.begin(process, checking, requests)
        load = Load(asking, requests)
        try:
            rows += [
                Day(work, number, kind, served).made() for number, kind in enumerate(DAYS[1:], 2)
            ]
            rows.append(way_back(home, rows[BACK_TO - 1]["release_id"], served))
        finally:
            answers = each_answer(load.end())
    catalogues = {one["release_id"]: titles(home, one["release_id"]) for one in rows}
    for row in rows:
        begun, ended = row.pop("begun"), row.pop("ended")
        row["requests"] = sum(begun <= one.ended <= ended for one in answers)
    return {
        "world": WORLD.model_dump(include={"users", "audiobooks", "podcasts", "days"}),
        "users": len(users),
        "workers": WORKERS,
        "a_second": PACE,
        "seconds": round(answers[-1].ended - answers[0].asked),
        "days": rows,
        **judged(answers, served.seen, catalogues),
    }


class Day:
    """One day's tables, and the run on them.

    Args:
        work: Folder with the world, the days' tables and the home.
        number: Of the day, from 1.
        kind: What is done to it.
        served: What is served meanwhile.
    """

    def __init__(self, work: Path, number: int, kind: str, served: Served) -> None:
        self._number, self._kind, self._served = number, kind, served
        self._home, self._said = work / "home", work / f"day{number}.log"
        self._cut = WORLD.end_moment - timedelta(days=len(DAYS) - number)
        slipped = kind == SLIPPED
        self.tables = day_tables(work / "world", self._cut, work / f"day{number}", slipped=slipped)

    @property
    def settings(self) -> tuple[str, ...]:
        """What is compiled into the pipeline."""
        return SETTINGS

    def made(self) -> dict[str, Any]:
        """Run the pipeline as this day's kind asks for; what came of it."""
        begun, store, known = time.time(), ReleaseStore(self._home), published(self._home)
        before, held = store.live(), served_bytes(self._home)
        kills = [self._killed(name) for name in KILLS] if self._kind == KILLED else []
        said = self._said.stat().st_size if kills else 0
        code = self._run()
        made = published(self._home) - known
        if code or len(made) != 1:
            raise RuntimeError(f"Day {self._number} made {made}, and ended with {code}: {self}")
        (release_id,), live = made, store.live()
        steps = _STEP.findall(self._said.read_text(errors="replace")[said:])
        if live == release_id:
            self._served.changed(self._home, f"day {self._number}")
        return {
            "day": self._number,
            "cut": self._cut.date().isoformat(),
            "kind": self._kind,
            "release_id": release_id,
            "live": live == release_id,
            "serves": live,
            "run_seconds": round(time.time() - begun, 1),
            "steps": len(steps),
            "cached": steps.count("cached"),
            "hits": _hits(store.show(release_id).metrics),
            "refused": [] if live == release_id else _refusal(self._home),
            "served_bytes_changed": changed(held, self._home) if live == before else None,
            "kills": kills,
            "left": leftovers(self._home),
            "begun": begun,
            "ended": time.time(),
        }

    def _killed(self, name: str) -> dict[str, Any]:
        """One run that is killed, and what is served after it."""
        known, reached = published(self._home), KILLS[name]
        before, held = ReleaseStore(self._home).live(), served_bytes(self._home)
        code = self._run(lambda: reached(self._home, known))
        left = leftovers(self._home)
        time.sleep(SETTLED)
        self._served.ask()
        return {
            "when": name,
            "exit_code": code,
            "same_release": ReleaseStore(self._home).live() == before,
            "served_bytes_changed": changed(held, self._home),
            "left": left,
        }

    def _run(self, ripe: Callable[[], bool] | None = None) -> int:
        """The day's command, told where its tables are and when they were cut; its exit code.

        Args:
            ripe: Whether it is time to kill whoever publishes; None lets it end.
        """
        place = ("--data", str(self.tables), "--cut", self._cut.date().isoformat())
        command = ["nice", f"-n{NICE}", sys.executable, "-m", "colisten", *DOOR, *place]
        command += ["--out", str(self._home)]
        command += [part for setting in self.settings for part in ("--set", setting)]
        rows = online_rows(self._home)
        with (
            self._said.open("ab") as said,
            subprocess.Popen(command, stdout=said, stderr=said) as running,
        ):
            watched = Publisher(running) if ripe is not None else None
            while running.poll() is None:
                if watched is not None and ripe is not None and watched.found() and ripe():
                    watched.kill()
                    watched = None
                if (now := online_rows(self._home)) != rows:
                    rows = now
                    self._served.seen.swaps.append(time.time())
                time.sleep(_OFTEN_SECONDS if watched else _LOOK_SECONDS)
        if watched is not None:
            raise RuntimeError(f"Day {self._number} was to be killed, and ended first: {self}")
        return running.returncode

    def __str__(self) -> str:
        return self._said.read_text(errors="replace")[-3000:]


def _half_written(home: Path, known: set[str]) -> bool:
    return any((home / "releases").glob(".*.partial"))


def _not_live(home: Path, known: set[str]) -> bool:
    return bool(published(home) - known)


KILLS: dict[str, Callable[[Path, set[str]], bool]] = {
    "while its files are copied": _half_written,
    "written and verified, before the pointer": _not_live,
}
"""Moments of a publication by how they are recognised, of a folder and what it had published."""


class Publisher:
    """Whoever publishes: the process of that step, or of the whole run where it has none."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._running, self._looked = running, 0.0
        self._pid = None if DOOR[0] == "pipeline" else running.pid

    def found(self) -> bool:
        """Whether it is there."""
        if self._pid is None and time.monotonic() > self._looked + _LOOK_SECONDS:
            with suppress(psutil.Error):  # one has just ended
                # Its keeper and its shell name the module too, but within a longer word.
                for one in psutil.Process(self._running.pid).children(recursive=True):
                    if {"kfp.dsl.executor_main", "publish"} <= {*one.cmdline()}:
                        self._pid = one.pid
            self._looked = time.monotonic()
        return self._pid is not None

    def kill(self) -> None:
        """SIGKILL."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)


def way_back(home: Path, release_id: str, served: Served) -> dict[str, Any]:
    """A rollback, and then the release of an earlier day."""
    begun = time.time()
    for words in (("rollback",), ("promote", release_id)):
        if ReleaseStore(home).live() == release_id:
            break
        command = ["nice", f"-n{NICE}", sys.executable, "-m", "colisten", "release", *words]
        subprocess.run([*command, "--out", str(home)], check=True, capture_output=True)
        served.changed(home, words[0])
    return {
        "day": len(DAYS),
        "kind": f"back to day {BACK_TO}",
        "release_id": release_id,
        "live": ReleaseStore(home).live() == release_id,
        "serves": ReleaseStore(home).live(),
        "run_seconds": round(time.time() - begun, 1),
        "left": leftovers(home),
        "begun": begun,
        "ended": time.time(),
    }


def _hits(metrics: dict[str, Any]) -> float | None:
    """The hit rate by which a candidate was judged."""
    table = Backtest(metrics)
    figure = table.figure(table.subject, table.hits)
    return None if figure is None else round(figure.value, 4)


def _refusal(home: Path) -> list[str]:
    """What the gate said of the latest run, what failed first."""
    told: list[str] = read_mapping(home / "metrics.json")["release"]["reasons"]
    return told
