"""When two names are one name in another spelling, such as `publishedAt` and `PUBLISHED_AT`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_WORDS_FOR = {
    "description": ("desc", "blurb", "summary", "synopsis"),
    "language": ("lang", "languagecode", "locale"),
    "genres": ("genre", "category", "categories", "tags"),
    "published_at": (
        "pubdate",
        "published",
        "publishdate",
        "publisheddate",
        "publicationdate",
        "releasedate",
        "releasedat",
    ),
    "country": ("countrycode", "market", "territory"),
    "age": ("ageyears", "userage"),
}
"""Usual words for what a column holds, folded. They may mean something else, so they are named and
not read."""

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
    """Those of `names` that may mean `name`: a slip of the pen, or a usual word for the same."""
    plain = {folded(other): other for other in names}
    slips = get_close_matches(folded(name), plain, n=2, cutoff=0.8)
    return list(
        dict.fromkeys(plain[key] for key in [*slips, *_WORDS_FOR.get(name, ())] if key in plain)
    )


def shown(name: str) -> str:
    """A name between quotes, with what cannot be seen written out, such as `'\\ufeffcountry'`."""
    return ascii(name) if not name.isascii() else repr(name)
