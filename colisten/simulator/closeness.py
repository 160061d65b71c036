"""Who is close to whom: the paper's observations on pairs (section 2), on sampled users.

Text closeness is the cosine of TF-IDF vectors over the words of title and description. Words of
two languages never meet, so pairs are compared within one language, with random pairs drawn from
the same languages: otherwise "same language" alone would look like taste.
"""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pandas as pd

from colisten.simulator.random_numbers import PAIRS_MEASURED, generator
from colisten.simulator.report import Figure

PAIRS = 8_000
"""Pairs drawn for each comparison."""

COMMON = 0.1
"""Share of a language's texts above which a word says nothing."""

_WORD = re.compile(r"\w{3,}")


def closeness(base: duckdb.DuckDBPyConnection, seed: int) -> list[Figure]:
    """Mean closeness of joined pairs over that of random pairs, three ways."""
    rng = generator(seed, PAIRS_MEASURED)
    books = base.execute(
        "SELECT item_id, language, title || ' ' || description AS text FROM items "
        "SEMI JOIN picks USING (item_id) WHERE item_type = 'audiobook' ORDER BY item_id"
    ).fetchdf()
    index = {item: row for row, item in enumerate(books["item_id"])}
    language = books["language"].astype("category").cat.codes.to_numpy()
    shelves = _shelves(base, "audiobook", index)

    random = _same_language(_between_users(shelves, rng), language)
    co_listened = _same_language(_within_users(shelves, rng), language)
    through = _same_language(_through_podcasts(base, shelves, index, rng), language)
    apart = random[~_co_streamed(base, random, list(index))]
    by_text = _TextCloseness(list(books["text"]), language)
    return [
        _figure(
            "text_co_listened",
            "Co-listened audiobooks closer in text",
            by_text,
            co_listened,
            random,
            "mean TF-IDF cosine over random pairs, same language",
        ),
        _figure(
            "text_through_podcast",
            "Audiobooks joined only by a podcast closer in text",
            by_text,
            through,
            apart,
            "the same, both sides being pairs that nobody streamed both of",
        ),
        _users_figure(base, language, shelves, rng),
    ]


class _TextCloseness:
    """Cosine of TF-IDF vectors of two rows, made for the rows asked for only.

    A word is told apart by its language and counts by its rarity among that language's texts; those
    in more than a tenth of them (articles, stock phrases) are left out.
    """

    def __init__(self, texts: list[str], language: np.ndarray) -> None:
        self._words = [
            [f"{code}:{word}" for word in _WORD.findall(text.lower())]
            for text, code in zip(texts, language, strict=True)
        ]
        sizes = np.bincount(language, minlength=1)
        counts: dict[str, int] = {}
        for words in self._words:
            for word in set(words):
                counts[word] = counts.get(word, 0) + 1
        self._column = {word: n for n, word in enumerate(counts)}
        self._weight = np.array(
            [_rarity(n / sizes[int(word.split(":")[0])]) for word, n in counts.items()]
        )

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        rows, where = np.unique(pairs, return_inverse=True)
        vectors = np.zeros((len(rows), len(self._column)), dtype=np.float32)
        for n, row in enumerate(rows):
            for word in self._words[row]:
                column = self._column[word]
                vectors[n, column] += self._weight[column]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
        one, two = where.reshape(pairs.shape).T
        return np.asarray(np.einsum("nd,nd->n", vectors[one], vectors[two]))


def _rarity(share: float) -> float:
    return 0.0 if share > COMMON else float(-np.log(share))


def _figure(
    key: str, label: str, by: _TextCloseness, joined: np.ndarray, random: np.ndarray, how: str
) -> Figure:
    joined, random = joined[:PAIRS], random[:PAIRS]
    ratio = None
    if len(joined) >= 30 and len(random) >= 30:
        ratio = round(float(by(joined).mean() / max(by(random).mean(), 1e-9)), 4)
    return Figure(key, label, ratio, "closer", None, how, "ratio")


def _shelves(
    base: duckdb.DuckDBPyConnection, item_type: str, index: dict[str, int]
) -> dict[str, list[int]]:
    """Streamed items of each sampled user."""
    shelves: dict[str, list[int]] = {}
    rows = base.execute(
        "SELECT user_id, item_id FROM picks WHERE item_type = ? ORDER BY ALL", [item_type]
    ).fetchall()
    for user, item in rows:
        shelves.setdefault(user, []).append(index[item])
    return shelves


def _between_users(shelves: dict[str, list[int]], rng: np.random.Generator) -> np.ndarray:
    """Random pairs: an audiobook of each of two random users, so as popular as joined ones."""
    users = list(shelves.values())
    if not users:
        return np.empty((0, 2), np.int64)
    pairs = rng.integers(len(users), size=(8 * PAIRS, 2))
    place = rng.random(pairs.shape)
    return np.array(
        [
            [users[user][int(at * len(users[user]))] for user, at in zip(*pair, strict=True)]
            for pair in zip(pairs, place, strict=True)
        ]
    )


def _within_users(shelves: dict[str, list[int]], rng: np.random.Generator) -> np.ndarray:
    """Random pairs that some user streamed both of; each user counts by their pairs, up to 20."""
    pairs = []
    for items in shelves.values():
        if len(items) > 1:
            draws = min(len(items) * (len(items) - 1) // 2, 20)
            pairs.append(rng.choice(items, size=(draws, 2)))
    joined = np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)
    return np.asarray(rng.permutation(joined))


def _through_podcasts(
    base: duckdb.DuckDBPyConnection,
    shelves: dict[str, list[int]],
    index: dict[str, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Pairs over a random podcast: an audiobook of each of two listeners, never co-streamed."""
    listeners: dict[str, list[str]] = {}
    for user, podcast in base.execute(
        "SELECT user_id, item_id FROM picks WHERE item_type = 'podcast' ORDER BY ALL"
    ).fetchall():
        if user in shelves:
            listeners.setdefault(podcast, []).append(user)
    groups = [users for users in listeners.values() if len(users) > 1]
    if not groups:
        return np.empty((0, 2), np.int64)
    pairs = []
    for group in rng.integers(len(groups), size=8 * PAIRS):
        users = groups[group]
        first = int(rng.integers(len(users)))
        second = (first + 1 + int(rng.integers(len(users) - 1))) % len(users)
        one, two = shelves[users[first]], shelves[users[second]]
        pairs.append((one[int(rng.integers(len(one)))], two[int(rng.integers(len(two)))]))
    joined = np.array(pairs)
    return np.asarray(joined[~_co_streamed(base, joined, list(index))])


def _co_streamed(base: duckdb.DuckDBPyConnection, pairs: np.ndarray, ids: list[str]) -> np.ndarray:
    """Whether anybody of all users, sampled or not, streamed both; bool [pairs]."""
    if not len(pairs):
        return np.empty(0, dtype=bool)
    names = np.array(ids, dtype=object)
    unique, where = np.unique(pairs, axis=0, return_inverse=True)
    frame = pd.DataFrame({"a": names[unique[:, 0]], "b": names[unique[:, 1]]})
    frame["row"] = np.arange(len(frame))
    base.register("asked_pairs", frame)
    rows = base.execute(
        """
        WITH books AS (
            SELECT DISTINCT user_id, item_id FROM events
            WHERE signal = 'stream' AND item_type = 'audiobook')
        SELECT DISTINCT row FROM asked_pairs
        JOIN books one ON one.item_id = a
        JOIN books two ON two.item_id = b AND two.user_id = one.user_id
        """
    ).fetchnumpy()["row"]
    base.unregister("asked_pairs")
    both = np.zeros(len(unique), dtype=bool)
    both[rows.astype(np.int64)] = True
    return np.asarray(both[where.ravel()])


def _same_language(pairs: np.ndarray, language: np.ndarray) -> np.ndarray:
    if not len(pairs) or not len(language):
        return np.empty((0, 2), np.int64)
    one, two = pairs.T
    return np.asarray(pairs[(one != two) & (language[one] == language[two])])


def _users_figure(
    base: duckdb.DuckDBPyConnection,
    language: np.ndarray,
    shelves: dict[str, list[int]],
    rng: np.random.Generator,
) -> Figure:
    """Podcast taste of users who share an audiobook, against users of the same language."""
    podcasts: dict[str, set[str]] = {}
    for user, podcast in base.execute(
        "SELECT user_id, item_id FROM picks WHERE item_type = 'podcast' ORDER BY ALL"
    ).fetchall():
        podcasts.setdefault(user, set()).add(podcast)
    users = sorted(set(podcasts) & set(shelves))
    readers: dict[int, list[str]] = {}
    speakers: dict[int, list[str]] = {}
    for user in users:
        for book in shelves[user]:
            readers.setdefault(book, []).append(user)
        speakers.setdefault(int(language[shelves[user][0]]), []).append(user)

    def overlap(groups: list[list[str]]) -> float:
        groups = [group for group in groups if len(group) > 1]
        if not groups:
            return float("nan")
        sizes = np.array([len(group) for group in groups], dtype=float)
        total = 0.0
        for group in rng.choice(len(groups), size=PAIRS, p=sizes / sizes.sum()):
            one, two = rng.choice(len(groups[group]), size=2, replace=False)
            left, right = podcasts[groups[group][one]], podcasts[groups[group][two]]
            total += len(left & right) / np.sqrt(len(left) * len(right))
        return total / PAIRS

    ratio = overlap(list(readers.values())) / max(overlap(list(speakers.values())), 1e-9)
    return Figure(
        "podcast_taste",
        "Users sharing an audiobook closer in podcasts",
        None if not np.isfinite(ratio) else round(float(ratio), 4),
        "closer",
        None,
        "mean cosine of podcasts streamed over random users of one language",
        "ratio",
    )
