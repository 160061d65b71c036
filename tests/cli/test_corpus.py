"""No command answers anything that it is given with a traceback, or leaves half of something."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from colisten.cli.app import UNEXPECTED, answer
from colisten.files import file_digest
from colisten.graph.build import build_graph
from colisten.index import open_index
from colisten.json_files import parse_json
from colisten.logs import configure_logs
from colisten.release.store import ReleaseStore
from colisten.settings.engine import Engine
from colisten.settings.index import IndexSettings
from colisten.simulator import WorldSettings, simulate
from tests.cli.corpus import Case, Ground, all_cases
from tests.conftest import CUT, write_tiny_source
from tests.release.payloads import make_parts

CASES = all_cases()
SECONDS = 20
SAMPLE = 12

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, tiny_history: Path) -> Ground:
    root = tmp_path_factory.mktemp("ground")
    write_tiny_source(root / "tables", users=30)
    (root / "mapping.yaml").write_text(
        "items: {file: tables/items.parquet}\ninteractions: {file: tables/interactions.parquet}\n"
    )
    home = root / "home"
    store = ReleaseStore(home)
    with open_index(home, IndexSettings(backend="exact")) as index:
        ids = [
            store.publish(
                make_parts(root / f"parts{seed}", tiny_history, CUT, seed=seed).payload(
                    root / f"payload{seed}"
                ),
                index,
            )
            for seed in range(2)
        ]
        store.promote(ids[0], index)
    graph = build_graph(tiny_history, as_of=CUT, engine=Engine(threads=1))
    graph.save(root / "graph")
    graph.save(home / "graph")
    simulate(root / "world", WorldSettings(users=20, audiobooks=40, podcasts=40, days=28))
    return Ground(root / "tables", home, root / "world", root / "graph", tuple(ids))


def footprint(folder: Path, *, digest: bool = True) -> dict[str, str]:
    """Everything under a folder: kind, and digest of what is a file, or when it was written.

    Locks are no content.
    """
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            if name == ".lock":
                continue
            found_there = path.lstat()
            mode = found_there.st_mode
            content = f"{found_there.st_mtime_ns} {found_there.st_size}"
            if digest or not stat.S_ISREG(mode):
                content = file_digest(path) if stat.S_ISREG(mode) else ""
            found[str(path.relative_to(folder))] = f"{stat.S_IFMT(mode):o} {content}"
    return found


def filled(case: Case, work: Path, ground: Ground) -> list[str]:
    places = {
        "work": work,
        "tables": ground.tables,
        "home": ground.home,
        "world": ground.world,
        "graph": ground.graph,
        "release": ground.releases[0],
    }
    return [
        re.sub(r"\{(\w+)\}", lambda at: str(places.get(at[1], at[0])), part)
        .replace("{{", "{")
        .replace("}}", "}")
        for part in case.arguments
    ]


@contextlib.contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Fail where a command neither answers nor fails."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds} s")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    # A call into C that blocks hears no signal.
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, former)


def faults(code: int, errors: str, output: str) -> list[str]:
    """What is wrong with an answer."""
    found = []
    if code not in (0, 1, 2):
        found.append(f"exit code {code}")
    if "Traceback" in errors:
        found.append("a traceback")
    if UNEXPECTED in errors:
        found.append("an error that nobody foresaw")
    lines = [line for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("colisten: ")]
    usage = code == 2 and "Usage:" in errors + output
    checked = code == 2 and bool(lines) and lines[-1].endswith("nothing was written.")
    if code == 2 and output.startswith('{\n  "ok": false,') and not lines:
        # A machine asked: faults are its answer.
        return [] if parse_json(output)["violations"] else ["no violation in the answer"]
    if code and not usage and not checked and (len(told) != 1 or lines[-1] != told[0]):
        found.append("not one line of error")
    if any(not c.isprintable() and c not in "\n\t" for c in "".join(told)):
        found.append("control characters on the terminal")
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_answer_is_an_exit_code_and_a_line(
    case: Case, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "w"
    work.mkdir()
    case.prepare(work, ground)
    monkeypatch.chdir(work)
    arguments = filled(case, work, ground)
    before = footprint(work), footprint(ground.home, digest=False)
    errors, output = io.StringIO(), io.StringIO()
    with limit(SECONDS), contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
        configure_logs()
        code = answer(arguments)
    said = errors.getvalue()
    found = faults(code, said, output.getvalue())
    after = footprint(work), footprint(ground.home, digest=False)
    if code and after != before:
        changed = [
            name
            for old, new in zip(before, after, strict=True)
            for name in old.keys() | new.keys()
            if old.get(name) != new.get(name)
        ]
        found.append(f"left {sorted(changed)[:5]}")
    found += [f"left {name}" for part in after for name in part if name.endswith(".partial")]
    assert not found, (
        f"{found}\n{arguments}\nexit {code}\n{said[-2000:]}\n{output.getvalue()[-300:]}"
    )


@pytest.mark.parametrize("case", CASES[:: len(CASES) // SAMPLE], ids=lambda case: case.name)
def test_a_process_of_its_own_answers_the_same(case: Case, ground: Ground, tmp_path: Path) -> None:
    """The corpus runs in this process for speed; this is what it stands for."""
    work = tmp_path / "w"
    work.mkdir()
    case.prepare(work, ground)
    arguments = filled(case, work, ground)
    if any("\0" in part for part in arguments):
        pytest.skip("no process can be given a NUL")
    encoded = [part.encode("utf-8", "surrogateescape") for part in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "colisten", *encoded],
        capture_output=True,
        cwd=work,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    errors = done.stderr.decode()
    assert not faults(done.returncode, errors, done.stdout.decode()), errors
    here = io.StringIO()
    with contextlib.redirect_stderr(here), contextlib.redirect_stdout(io.StringIO()):
        code = answer(arguments)
    assert code == done.returncode
    told = [line for line in here.getvalue().splitlines() if line.startswith("colisten: ")]
    assert told == [line for line in errors.splitlines() if line.startswith("colisten: ")]


def test_the_corpus_is_large_and_reaches_every_command() -> None:
    from typer.main import get_command

    from colisten.cli.app import program

    assert len(CASES) >= 300
    used = {case.arguments[:1] for case in CASES} | {case.arguments[:2] for case in CASES}
    for name, command in get_command(program()).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        for names in [(name, each) for each in inner] if inner else [(name,)]:
            # They take nothing that could be wrong.
            if names not in (("settings",), ("commands",), ("monitor", "rules")):
                assert names in used, names
