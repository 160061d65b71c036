"""What usual words for types and signals mean among ours: a guess, never a default."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from colisten.data.spelling import folded

_WORDS_FOR = {
    "audiobook": ("book", "audio", "talkingbook", "title", "ab"),
    "podcast": ("show", "episode", "podcastepisode", "pod", "series"),
    "music": ("song", "track", "album", "artist"),
    "stream": ("play", "played", "listen", "listened", "start", "started", "playback", "watch"),
    "follow": ("like", "liked", "favourite", "favorite", "subscribe", "save", "library", "add"),
    "preview": ("sample", "trailer", "teaser", "click", "view", "impression"),
    "intent_to_pay": (
        "purchase",
        "buy",
        "order",
        "checkout",
        "cart",
        "addtocart",
        "wishlist",
        "wish",
    ),
}


def meaning(word: str, known: Collection[str]) -> str | None:
    """The word of ours that theirs most likely means; None where nothing suggests one."""
    plain = folded(word).removesuffix("s")
    by_fold = {folded(each).removesuffix("s"): each for each in known}
    if plain in by_fold:
        return by_fold[plain]
    for ours, words in _WORDS_FOR.items():
        if ours in known and (plain in words or plain.removesuffix("ed") in words):
            return ours
    close = get_close_matches(plain, by_fold, n=1, cutoff=0.75)
    return by_fold[close[0]] if close else None
