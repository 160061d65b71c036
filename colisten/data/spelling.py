"""When two names are one name in another spelling, such as `publishedAt` and `PUBLISHED_AT`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_WORDS_FOR = {
    "item_id": ("id", "trackid", "trackuri", "episodeid", "contentid", "productid", "asin", "isbn"),
    "item_type": ("type", "kind", "contenttype", "mediatype", "format"),
    "title": ("name", "headline"),
    "description": ("desc", "blurb", "summary", "synopsis", "overview", "abstract"),
    "language": ("lang", "locale"),
    "genres": ("genre", "category", "categories", "tags", "topics", "subjects", "shelves"),
    "published_at": ("published", "pubdate", "publicationdate", "publishdate", "releasedate"),
    "user_id": ("uid", "customerid", "listenerid", "memberid", "accountid", "subscriberid"),
    "country": ("nation", "market", "territory", "countrycode"),
    "age": ("ageyears",),
    "music_vector": ("vector", "embedding", "musicembedding"),
    "signal": ("event", "eventtype", "eventname", "action", "interaction", "interactiontype"),
    "timestamp": ("ts", "time", "date", "datetime", "occurredat", "playedat", "endtime"),
    "variant": ("arm", "group", "treatment", "bucket"),
    "position": ("rank", "slot"),
}
"""Usual words for what a column holds, folded. They may mean something else, so they are named and
not read."""

_STEMS = {
    "published_at": (
        {"pub"},
        {"published"},
        {"publish"},
        {"publication"},
        {"release"},
        {"released"},
    ),
    "timestamp": ({"time"}, {"date"}, {"ts"}),
    "language": ({"lang"},),
    "genres": ({"genre"}, {"category"}, {"categories"}),
}
"""Words that make a longer name mean the column; other columns have those of their own name."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MOST_NAMED = 3

_BYTE_ORDER_MARK_AS_LATIN = "\u00ef\u00bb\u00bf"


def folded(name: str) -> str:
    """Letters and digits of a name: no case, marks, blanks, width forms or byte order mark."""
    plain = unicodedata.normalize("NFKD", name.removeprefix(_BYTE_ORDER_MARK_AS_LATIN))
    return re.sub(r"[\W_]", "", plain).casefold()


def alike(name: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that are `name` in another spelling, in their order."""
    wanted = folded(name)
    return [other for other in names if other != name and folded(other) == wanted]


def related(name: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that may mean `name`: a slip of the pen, a usual word for the same, or a
    longer name around it, such as `users.age` and `countryIso2`."""
    plain = {folded(other): other for other in names}
    slips = get_close_matches(folded(name), plain, n=2, cutoff=0.8)
    usual = [plain[key] for key in [*slips, *_WORDS_FOR.get(name, ())] if key in plain]
    stems = (set(_words(name)), *_STEMS.get(name, ()))
    longer = [
        other for other in plain.values() if any(stem <= set(_words(other)) for stem in stems)
    ]
    return list(dict.fromkeys([*usual, *longer]))[:_MOST_NAMED]


def _words(name: str) -> list[str]:
    """The words that a name is made of, in small letters."""
    plain = unicodedata.normalize("NFKD", name)
    return [word.casefold() for word in _WORD.findall(plain)]


def shown(name: str) -> str:
    """A name between quotes, with what cannot be seen written out, such as `'\\ufeffcountry'`."""
    return ascii(name) if not name.isascii() else repr(name)
