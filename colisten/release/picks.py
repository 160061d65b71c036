"""What a release says of items without an index: already started, popular, nearest, and why.

The service and the library's own `Release` pick by these functions, so both say the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from colisten.features.users import UserBatch
from colisten.release.loaded import Because, LoadedRelease

_NEUTRAL = "of"  # because of TITLE


class Pick(NamedTuple):
    """An item with its reason.

    Attributes:
        item: Index in the catalogue.
        score: Nearness; None where items are picked by popularity.
        why: In words; None where there is nothing true to say.
    """

    item: int
    score: float | None
    why: str | None


def seen_items(release: LoadedRelease, user_id: str | None, user: UserBatch | None) -> list[str]:
    """Ids of the target items that a user is known to have started.

    Args:
        release: What it knows of the user from the day that it was made counts in any case.
        user_id: Whose; None where nobody knows.
        user: What else is known of them, as a batch of one: all that the feature store keeps
            apart from the history, and the history itself. None where the store did not answer.
    """
    started = [release.seen.of(user_id)]
    if user is not None and user.seen is not None:
        started.append(release.of_hashes(user.seen[0]))
    history = None if user is None else user.histories.get(release.manifest.target_type)
    if history is not None:
        started.append(history.items[release.starts(history.signals)])
    return [str(item) for item in release.item_ids[np.unique(np.concatenate(started))]]


def popular_picks(
    release: LoadedRelease,
    k: int,
    *,
    country: str | None = None,
    allowed: np.ndarray | None = None,
    left_out: Collection[int] = (),
) -> list[Pick]:
    """The k most popular items, those of a country first.

    Args:
        release: Whose lists.
        k: Most items.
        country: ISO 3166 code; one without a list of its own is taken for none.
        allowed: bool [n_target], which items may be picked; None for all.
        left_out: Catalogue indices that are not picked.
    """
    lists = release.popular_lists
    local = None if country is None else lists.countries.get(country)
    here = 0 if local is None else len(local)
    first = release.target.start
    picks: list[Pick] = []
    for place, at in enumerate(_once(local, lists.everywhere)):
        if len(picks) == k:
            break
        if at in left_out or not (allowed is None or allowed[at - first]):
            continue
        picks.append(Pick(at, None, f"popular in {country}" if place < here else "popular"))
    return picks


def similar_picks(
    release: LoadedRelease, item: int, k: int, *, allowed: np.ndarray | None = None
) -> list[Pick] | None:
    """The k recommendable items nearest to any item by cosine of the history vectors.

    An item of another type has no tower vector, so items are compared where all of them have one
    (text and graph side by side), the space in which reasons are found too. Items without a
    vector are left out: nothing is known of their nearness. Ties go to the lower index.

    Args:
        release: Whose vectors.
        item: Index in the catalogue; never picked itself.
        k: Most items.
        allowed: bool [n_target], which items may be picked; None for all.

    Returns:
        None where the item has no vector: it has neither text nor company.
    """
    target = release.target
    own = np.asarray(release.history_vectors[item], dtype=np.float32)
    length = float(np.linalg.norm(own))
    if not length > 0:
        return None
    scale = release.scale[target]
    cosines = (release.history_vectors[target] @ (own / np.float32(length))) * scale
    mask = scale > 0
    if allowed is not None:
        mask = mask & allowed
    if target.start <= item < target.stop:
        mask[item - target.start] = False
    places = np.flatnonzero(mask)
    near = cosines[places]
    if len(places) > k:
        floor = np.partition(near, len(near) - k)[len(near) - k]
        places, near = places[near >= floor], near[near >= floor]
    order = np.lexsort((places, -near))[:k]
    title = release.titles[item]
    why = None if title is None else f"similar to {title}"
    return [
        Pick(place + target.start, score, why)
        for place, score in zip(places[order].tolist(), near[order].tolist(), strict=True)
    ]


def reasons(
    release: LoadedRelease, user: UserBatch, items: Sequence[int], phrases: Mapping[str, str]
) -> list[str | None]:
    """Why each item is recommended, in words; None where the history says nothing of it.

    Args:
        release: Whose vectors and titles.
        user: A batch of one.
        items: Indices in the catalogue.
        phrases: By signal how a reason goes on after "because"; `serving.reasons`.
    """
    return [_in_words(release, because, phrases) for because in release.because_each(items, user)]


def _in_words(
    release: LoadedRelease, because: Because | None, phrases: Mapping[str, str]
) -> str | None:
    title = None if because is None else release.titles[because.item]
    if because is None or title is None:
        return None
    return f"because {phrases.get(because.signal, _NEUTRAL)} {title}"


def _once(first: np.ndarray | None, then: np.ndarray) -> Iterator[int]:
    """Both lists one after the other, each item once."""
    seen: set[int] = set()
    for items in (first, then):
        for item in () if items is None else items.tolist():
            if item not in seen:
                seen.add(item)
                yield item
