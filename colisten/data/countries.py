"""One writing for every country: popular lists, tower inputs and requests compare the same text.

A code is upper case and in its present form: `se`, `SE ` and `SWE` are `SE`, `UK` is `GB`. Any
other text is a country of its own and stays as it is, for a country is only a group of users.
"""

from __future__ import annotations

import re

from langcodes.data_dicts import TERRITORY_REPLACEMENTS

from colisten.data.sql import WHITE_SPACE

# langcodes 3.5 has the language of these two codes where their country belongs.
_CODES = TERRITORY_REPLACEMENTS | {"bih": "BA", "nor": "NO"}
_CODE = re.compile(r"[A-Za-z]{2}|[A-Za-z]{3}|[0-9]{3}")


def country_of(text: str) -> str | None:
    """The country that a text names, as every table of ours writes it; None where it is blank.

    Takes the codes of ISO 3166 with two and three letters, of UN M49 with three digits, and those
    in common use for another (`UK`).
    """
    trimmed = text.strip(WHITE_SPACE)
    if not is_country_code(trimmed):
        return trimmed or None
    return str(_CODES.get(trimmed.lower(), trimmed.upper()))


def is_country_code(text: str) -> bool:
    """Whether a text has the form of a code, known or not."""
    return _CODE.fullmatch(text) is not None
