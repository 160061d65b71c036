"""No test is left out where the suite runs as two halves."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import AHEAD
from tests.halves import SECOND, halves, undisturbed

TESTS = Path(__file__).parent


def test_every_file_of_tests_is_in_one_half() -> None:
    first, second = halves()
    assert first[0] == "tests"
    assert [f"--ignore={place}" for place in second] == first[1:]
    assert all((TESTS / place).exists() for place in SECOND)
    assert len(set(SECOND)) == len(SECOND)
    assert not any(f"{one}/" in f"{other}/" for one in SECOND for other in SECOND if one != other)


def test_what_is_made_beside_the_tests_is_wanted_in_one_half() -> None:
    wanted = re.compile(rf"def test_\w+\([^)]*\b({'|'.join(set(AHEAD) - {'images'})}):")
    asking = {
        file.relative_to(TESTS).as_posix()
        for file in TESTS.rglob("test_*.py")
        if wanted.search(file.read_text())
    }
    assert len(asking) >= 10
    assert [one for one in asking if not f"{one}/".startswith(tuple(f"{s}/" for s in SECOND))] == []


def test_what_runs_alone_is_found() -> None:
    assert "tests/serving/test_circuit_breaker.py" in undisturbed()
