"""A preset is where settings start; what a caller says wins, and the tree stays itself."""

from __future__ import annotations

import pytest

from colisten.errors import ConfigError
from colisten.settings.tree import PRESETS, Settings, load_settings


def test_the_papers_preset_is_the_papers_recipe() -> None:
    paper = load_settings(None, ("preset=paper",))
    assert (paper.hgnn.loss, paper.hgnn.residual, paper.towers.loss) == ("margin", False, "paper")
    assert paper.towers.prior_half_lives == ()
    assert (paper.towers.batch_size, paper.towers.linear_skip) == (128, False)
    # What the preset does not name is the default.
    assert paper.hgnn.dim == Settings().hgnn.dim
    assert load_settings(None, ("preset=default",)) == Settings()


def test_what_a_caller_says_wins_over_the_preset() -> None:
    mixed = load_settings(None, ("preset=paper", "towers.epochs=3", "hgnn.loss=softmax"))
    assert (mixed.towers.epochs, mixed.hgnn.loss) == (3, "softmax")
    assert mixed.towers.batch_size == 128


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_survives_the_way_through_json(preset: str) -> None:
    settings = load_settings(None, (f"preset={preset}", "towers.dropout=0.3"))
    assert Settings.from_json(settings.to_json()) == settings


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset"):
        load_settings(None, ("preset=papers",))
