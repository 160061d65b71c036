"""Text carries an item's visible taste, in its own language."""

from __future__ import annotations

import re

import numpy as np
import pytest

from colisten.simulator.prose import SHADES, TOPICS, compose, grammar
from colisten.simulator.settings import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_grammar_is_whole(language: str) -> None:
    tree = grammar(language)
    assert len(tree["words"]) == SHADES == 2 * len(TOPICS)
    assert all(len(set(words)) == 6 for words in tree["words"])
    for item_type in ("audiobook", "music", "podcast"):
        for kind, allowed in (
            ("titles", "abc"),
            ("openings", "ab"),
            ("middles", "cd"),
            ("closings", ""),
        ):
            sentences = tree[item_type][kind]
            assert len(sentences) >= 4
            used = set(re.findall(r"{(\w+)}", " ".join(sentences)))
            assert used <= {*allowed, "name", "place"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("item_type", ["audiobook", "music", "podcast"])
def test_words_follow_taste(language: str, item_type: str) -> None:
    rng = np.random.default_rng(0)
    words = grammar(language)["words"]
    for shade in range(SHADES):
        visible = np.zeros(SHADES)
        visible[shade] = 1.0
        title, description = compose(item_type, language, visible, noise=0.0, rng=rng)
        text = f"{title} {description}".lower()
        own = sum(word.lower() in text for word in words[shade])
        assert own >= 3
        assert "{" not in text
        assert title[0].isupper()


def test_noise_hides_taste() -> None:
    rng = np.random.default_rng(0)
    visible = np.zeros(SHADES)
    visible[0] = 1.0
    words = grammar("en")["words"][0]

    def share(noise: float) -> float:
        texts = [
            " ".join(compose("audiobook", "en", visible, noise=noise, rng=rng)) for _ in range(80)
        ]
        return float(np.mean([sum(word in text.lower() for word in words) for text in texts]))

    assert share(0.0) > share(0.5) > share(1.0)
    assert share(1.0) < 1.5
