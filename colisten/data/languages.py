"""One writing for every language: tables, filters and requests compare the same text.

Catalogues and players write the same language as `en`, `EN`, `en-US`, `en_GB.UTF-8` or `eng`. What
is compared is the language subtag of the BCP 47 tag in its preferred form, so all of these are
`en`. Region and script are left out: they say how and where a language is written, titles are
heard, and a filter is an equality, so whoever asks for `en` would miss `en-US` otherwise.
"""

from __future__ import annotations

from difflib import get_close_matches

from langcodes import Language

from colisten.data.sql import WHITE_SPACE
from colisten.errors import ConfigError

MAX_TAG_CHARS = 100
"""Longer than any tag in use. langcodes calls itself once a subtag, which Python bounds."""
_REMEMBERED = 10_000
_NOT_KNOWN = frozenset({"und", "mis"})
# Norwegian without a word on its form is Bokmål; the two are used for each other.
_SAME = {"nb": "no"}
_NAMES = {
    "arabic": "ar",
    "chinese": "zh",
    "czech": "cs",
    "danish": "da",
    "deutsch": "de",
    "dutch": "nl",
    "english": "en",
    "español": "es",
    "finnish": "fi",
    "français": "fr",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "norwegian": "no",
    "polish": "pl",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "spanish": "es",
    "svenska": "sv",
    "swedish": "sv",
    "turkish": "tr",
    "ukrainian": "uk",
    "vietnamese": "vi",
}
"""Names that people write where a tag belongs, for the hint alone."""


def language_of(text: str) -> str | None:
    """The language that a tag names, as every table of ours writes it, such as `en`.

    Takes BCP 47 tags in any case, with hyphens or underscores, the codes of ISO 639 with two and
    three letters, retired ones (`iw` is `he`), and names of POSIX locales (`sv_SE.UTF-8`). A
    dialect group's usual member counts as the group: Mandarin (`cmn`) is `zh`.

    Returns:
        The language subtag; None where the text says that the language is not known: blank, `und`
        or `mis`.

    Raises:
        ConfigError: It is no tag of a language that is registered; names the nearest one.
    """
    trimmed = text.strip(WHITE_SPACE)
    if not trimmed:
        return None
    if len(trimmed) > MAX_TAG_CHARS:
        raise _unknown(trimmed)
    if len(Language._PARSE_CACHE) > _REMEMBERED:
        # langcodes keeps every text it was ever asked about, and anybody may ask a service.
        Language._PARSE_CACHE.clear()
        Language._INSTANCES.clear()
    # The encoding and the modifier of a POSIX locale say nothing of the language.
    tag = trimmed.split("@")[0].split(".")[0] if "_" in trimmed else trimmed
    try:
        parsed = Language.get(tag).prefer_macrolanguage()
    except ValueError:
        raise _unknown(trimmed) from None
    language = parsed.language
    if language is None or language in _NOT_KNOWN:
        return None
    if "-" in language or not parsed.is_valid():  # A tag of private use (x-...) is whole there.
        raise _unknown(trimmed)
    return _SAME.get(language, language)


def wanted_language(text: str) -> str:
    """The language that a filter asks for, as `language_of` writes it.

    Raises:
        ConfigError: It names no language, or none that is registered.
    """
    language = language_of(text)
    if language is None:
        raise ConfigError(
            f"{_shown(text)} names no language.",
            "Name one such as en or pt-BR, or leave the filter out.",
        )
    return language


def _unknown(text: str) -> ConfigError:
    near = get_close_matches(text[:MAX_TAG_CHARS].casefold(), _NAMES, n=1)
    hint = f"Did you mean {_NAMES[near[0]]}?" if near else "Write one such as en or pt-BR."
    return ConfigError(f"{_shown(text)} is not a language tag (BCP 47).", hint)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
