"""No test is left out where the suite runs in parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import AHEAD
from tests.parts import SECOND, parts, undisturbed

TESTS = Path(__file__).parent


@pytest.mark.parametrize("images", [True, False])
def test_every_file_of_tests_is_in_one_part(images: bool) -> None:
    first, *others = parts(images=images)
    assert first[0] == "tests"
    places = [place for part in others for place in part]
    assert [f"--ignore={place}" for place in places] == first[1:]
    assert all((TESTS.parent / place).exists() for place in places)
    assert len(set(places)) == len(places)
    assert not any(f"{one}/" in f"{other}/" for one in places for other in places if one != other)
    assert ("tests/images" in places) == images


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
