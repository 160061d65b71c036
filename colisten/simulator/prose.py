"""Titles and descriptions from our own grammar: text that carries taste, but not all of it.

A text shows an item's visible taste through topic words; names, places and closing lines carry
none, and the hidden part of the taste space never reaches the text. Grammar and vocabulary of a
language lie beside this file as `words_<language>.yaml`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

TOPICS: tuple[str, ...] = (
    "crime",
    "science",
    "love",
    "history",
    "business",
    "mind",
    "fantasy",
    "humour",
    "sport",
    "society",
    "nature",
    "food",
)
SHADES = 2 * len(TOPICS)
GENRES: tuple[str, ...] = (
    "Crime & Thrillers",
    "Science & Technology",
    "Romance & Family",
    "History",
    "Business & Money",
    "Health & Mind",
    "Fantasy & Horror",
    "Comedy & Entertainment",
    "Sports & Fitness",
    "Politics & Society",
    "Nature & Travel",
    "Food & Garden",
)
_GIVEN = ("Mara", "Jonas", "Ines", "Tobias", "Lena", "Oskar", "Paula", "Emil", "Clara", "Hugo")
_FAMILY = ("Vale", "Lindt", "Moreau", "Brandt", "Solano", "Ekman", "Hart", "Rivas", "Nord", "Keel")
_PLACES = ("Aldermoor", "Nordhafen", "Valdeluz", "Björkö", "Stillwater", "Grauburg", "Marisol")


@cache
def grammar(language: str) -> dict[str, Any]:
    """Grammar of a language: `words` as [shade][word] plus sentences per item type."""
    tree = yaml.safe_load(Path(__file__).with_name(f"words_{language}.yaml").read_text("utf-8"))
    tree["words"] = [words.split(", ") for topic in TOPICS for words in tree["topics"][topic]]
    return dict(tree)


def compose(
    item_type: str,
    language: str,
    visible: np.ndarray,
    *,
    noise: float,
    rng: np.random.Generator,
) -> tuple[str, str]:
    """Title and description of one item.

    Args:
        visible: Weights of the item's shades, [SHADES], summing to one.
        noise: Chance that a topic word comes from any shade instead of the item's.
    """
    tree = grammar(language)
    sentences = tree[item_type]
    words = iter(_topic_words(tree["words"], visible, noise, rng, count=7))
    fill = {
        "name": f"{_pick(_GIVEN, rng)} {_pick(_FAMILY, rng)}",
        "place": _pick(_PLACES, rng),
    }
    parts = []
    for kind, letters in (("titles", "abc"), ("openings", "ab"), ("middles", "cd")):
        topics = {letter: next(words) for letter in letters}
        parts.append(_pick(sentences[kind], rng).format(**topics, **fill))
    parts.append(_pick(sentences["closings"], rng).format(**fill))
    title, *description = (part[0].upper() + part[1:] for part in parts)
    return title, " ".join(description)


def _topic_words(
    words: list[list[str]],
    visible: np.ndarray,
    noise: float,
    rng: np.random.Generator,
    *,
    count: int,
) -> list[str]:
    weights = (1.0 - noise) * visible + noise / SHADES
    drawn: list[str] = []
    while len(drawn) < count:
        word = _pick(words[int(rng.choice(SHADES, p=weights / weights.sum()))], rng)
        # A word twice in one sentence reads badly; a narrow item may run out of new ones.
        if word not in drawn or rng.random() < 0.05:
            drawn.append(word)
    return drawn


def _pick(choices: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
