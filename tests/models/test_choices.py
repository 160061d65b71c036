"""What a training chose survives the disk, and a broken file is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from colisten.errors import TrainingError
from colisten.models.choices import CHOICES, Choice, Figures, read_choices, write_choices
from colisten.training.towers.validation import choices_of

WORDS = st.text(max_size=30)
FIGURES = st.builds(
    Figures, mrr=st.floats(-1, 1), error=st.floats(0, 1), users=st.integers(0, 10**9)
)
SOME = st.builds(
    Choice,
    question=WORDS,
    chosen=WORDS,
    reason=WORDS,
    candidates=st.dictionaries(WORDS, FIGURES, max_size=3),
)


@settings(deadline=None)
@given(choices=st.lists(SOME, max_size=3).map(tuple))
def test_they_survive_the_disk(
    tmp_path_factory: pytest.TempPathFactory, choices: tuple[Choice, ...]
) -> None:
    folder = tmp_path_factory.mktemp("towers")
    write_choices(folder, choices)
    assert read_choices(folder) == choices
    before = (folder / CHOICES).read_bytes()
    write_choices(folder, choices)
    assert (folder / CHOICES).read_bytes() == before


def test_towers_without_the_file_chose_nothing(tmp_path: Path) -> None:
    assert read_choices(tmp_path) == ()


@pytest.mark.parametrize("text", ["", "[]", '{"choices": [{"question": "?"}]}', '{"choices": NaN}'])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / CHOICES).write_text(text)
    with pytest.raises(TrainingError, match=CHOICES):
        read_choices(tmp_path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_figures_are_finite(number: float) -> None:
    with pytest.raises(ValidationError):
        Figures(mrr=number, error=0.0, users=1)
    with pytest.raises(ValidationError):
        Figures(mrr=0.0, error=number, users=1)


def test_a_kind_of_users_that_nobody_was_held_out_of_is_named() -> None:
    point = {"users_cold": 0.0, "taste_share_cold": 0.0, "transfer_cold": 0.0}
    (choice,) = choices_of(point)
    assert choice.chosen == "popularity alone"
    assert "No cold user was held out" in choice.reason
    assert choices_of({}) == ()
