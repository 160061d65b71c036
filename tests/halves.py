"""Every test, as two pytest processes side by side: `python -m tests.halves`.

The suite keeps one core busy and there are two. What talks to servers of its own is in the first
half; the second only computes, or runs commands to their end, and has all that wants what is made
beside the tests (`AHEAD` of conftest), which is so made once. What is marked `undisturbed` comes
after both. The rest of the command line goes to each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from colisten.threads import cores

ROOT = Path(__file__).parents[1]
SECOND = (
    "ablations",
    "baselines",
    "benchmarks/test_score_truth.py",
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


def halves() -> tuple[list[str], list[str]]:
    """What each half is asked to collect; together that is every test, once."""
    second = [f"tests/{name}" for name in SECOND]
    return ["tests", *(f"--ignore={name}" for name in second)], second


def undisturbed() -> list[str]:
    """Files with a test that nothing may run beside; collecting all others takes long."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if MARK in file.read_text()]


def run(options: Sequence[str]) -> int:
    """Run both, then what nothing may run beside. Returns the worst exit code.

    What the second half says follows what the first said.
    """
    first, second = halves()
    together = ["-m", "not undisturbed", *options]
    if cores() < 2:
        codes = [_pytest("tests", *together)]
    else:
        with tempfile.TemporaryFile() as said:
            # One cache is enough: the second would overwrite which tests failed last.
            command = [*_PYTEST, *second, *together, "-p", "no:cacheprovider"]
            beside = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
            try:
                codes = [_pytest(*first, *together), beside.wait()]
            finally:
                beside.terminate()
                beside.wait()
                said.seek(0)
                sys.stdout.flush()
                sys.stdout.buffer.write(said.read())
    return max(*codes, _pytest(*undisturbed(), "-m", "undisturbed", *options))


def _pytest(*arguments: str) -> int:
    return subprocess.run([*_PYTEST, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
