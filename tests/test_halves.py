"""No test is left out where the suite runs as two halves."""

from __future__ import annotations

from pathlib import Path

from tests.halves import SECOND, halves

TESTS = Path(__file__).parent


def test_every_file_of_tests_is_in_one_half() -> None:
    first, second = halves()
    assert first[0] == "tests"
    assert [f"--ignore={place}" for place in second] == first[1:]
    assert all((TESTS / place).exists() for place in SECOND)
    assert len(set(SECOND)) == len(SECOND)
    assert not any(f"{one}/" in f"{other}/" for one in SECOND for other in SECOND if one != other)
