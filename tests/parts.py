"""Every test, as pytest processes side by side: `python -m tests.parts`.

The suite keeps one core busy and there are two. What talks to servers of its own is in the first
half; the second only computes, or runs commands to their end, and has all that wants what is made
beside the tests (`AHEAD` of conftest), which is so made once. Images, where they are asked for, are
a third process: what it does is mostly wait for containers. What is marked `undisturbed` comes
after all of them. The rest of the command line goes to each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from colisten.threads import cores
from tests.conftest import IMAGES

ROOT = Path(__file__).parents[1]
SECOND = (
    "ablations",
    "baselines",
    "benchmarks/test_score_truth.py",
    "benchmarks/test_three_arms.py",
    "cli/test_demo.py",
    "cli/test_experiment.py",
    "data",
    "evaluation",
    "experiments",
    "graph",
    "importing",
    "k8s",
    "models",
    "pipelines",
    "privacy/test_whole_home.py",
    "ranking",
    "reports",
    "sampling",
    "serving/test_calls.py",
    "simulator",
    "statistics",
    "steps",
    "test_notebook.py",
    "test_private.py",
    "test_readme.py",
    "test_secrets.py",
    "test_tutorial.py",
    "text",
    "training",
)
"""Folders and files of `tests` that make the second half; all others are the first."""
MARK = "pytest.mark.undisturbed"
_PYTEST = (sys.executable, "-m", "pytest")


def parts(*, images: bool) -> list[list[str]]:
    """What each process is asked to collect; together that is every test, once.

    Without images to build their tests skip, and are a part of the first.
    """
    second = [f"tests/{name}" for name in SECOND]
    apart = [["tests/images"]] if images else []
    elsewhere = [*second, *(name for part in apart for name in part)]
    return [["tests", *(f"--ignore={name}" for name in elsewhere)], second, *apart]


def undisturbed() -> list[str]:
    """Files with a test that nothing may run beside; collecting all others takes long."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if MARK in file.read_text()]


def run(options: Sequence[str]) -> int:
    """Run all parts, then what nothing may run beside. Returns the worst exit code.

    What the others say follows what the first said.
    """
    together = ["-m", "not undisturbed", *options]
    if cores() < 2:
        codes = [_pytest("tests", *together)]
    else:
        first, *others = parts(images=bool(os.environ.get(IMAGES)))
        with ExitStack() as stack:
            beside = [stack.enter_context(_beside([*part, *together])) for part in others]
            codes = [_pytest(*first, *together), *(one.wait() for one in beside)]
    return max(*codes, _pytest(*undisturbed(), "-m", "undisturbed", *options))


@contextmanager
def _beside(arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A part that runs; in the end it has ended, and what it said is said."""
    with tempfile.TemporaryFile() as said:
        # One cache is enough: another would overwrite which tests failed last.
        command = [*_PYTEST, *arguments, "-p", "no:cacheprovider"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            said.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(said.read())


def _pytest(*arguments: str) -> int:
    return subprocess.run([*_PYTEST, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
