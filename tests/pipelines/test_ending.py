"""`colisten run` told to end, or killed, in mid-step: nothing goes on without it, no half release
is left, and the same command makes the release of a run that nobody disturbed."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from colisten.release.manifest import Manifest
from colisten.release.store import ReleaseStore
from tests.conftest import heeding_signals
from tests.pipelines.test_release_pipeline import digests
from tests.runs import command, run
from tests.test_child import family, gone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc"),
]
# Signals, each in another step, and the exit code that follows.
ENDS = (
    ("build-features", signal.SIGTERM, 143),
    ("train-hgnn", signal.SIGHUP, 129),
    ("train-towers", signal.SIGINT, 130),
    ("publish", signal.SIGKILL, -9),
)


def started(log: Path, step: str, seen: int) -> bool:
    said = log.read_text(errors="ignore")[seen:] if log.exists() else ""
    return f"'{step}'" in said


def test_no_step_outlives_its_run_and_the_same_command_goes_on(
    tmp_path: Path, tiny_source: Path, finished: Path
) -> None:
    out = tmp_path / "out"
    log = out / "steps/run.log"
    # Vectors go by their text alone; to encode them once more is a quarter of a run.
    shutil.copytree(finished / "cache/text", out / "cache/text")
    for step, number, code in ENDS:
        seen = len(log.read_text(errors="ignore")) if log.exists() else 0
        with (tmp_path / "errors").open("w") as errors:
            running = subprocess.Popen(
                command(tiny_source, out),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                preexec_fn=heeding_signals,
            )
        deadline = time.monotonic() + 300
        while not started(log, step, seen):
            assert running.poll() is None, (tmp_path / "errors").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.7)  # into the step's own work
        running.send_signal(number)
        since = time.monotonic()
        assert running.wait(30) == code, (tmp_path / "errors").read_text()
        assert gone(str(out), 15), (step, family(str(out)))
        print(f"{step}, {number.name}: ended in {time.monotonic() - since:.2f} s")
        said = (tmp_path / "errors").read_text()
        assert "Traceback" not in said
        whole_releases(out)
        if code > 0:
            again = shlex.join(["colisten", *command(tiny_source, out)[3:]])
            assert said.splitlines()[-1] == (
                f"colisten: ended by {number.name}; finished steps are kept, to go on: {again}"
            )
    done = run(tiny_source, out)
    assert done.returncode == 0, done.stderr
    assert "unchanged" in done.stderr
    left = [path for path in out.rglob(".*") if path.name.endswith(".partial")]
    assert not left
    assert (out / "metrics.json").exists()
    # In another folder, and ended four times before: equal digests.
    assert digests(out) == digests(finished)


def whole_releases(out: Path) -> None:
    """Whatever lies among the releases is whole."""
    store = ReleaseStore(out)
    for release in store.list():
        folder = store.folder(release.release_id)
        Manifest.read(folder).check_files(folder)
