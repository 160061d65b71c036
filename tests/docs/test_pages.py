"""What the pages say is so: links, paths, names, settings, defaults, commands, code, messages."""

from __future__ import annotations

import pytest

from tests.docs.faults import KINDS
from tests.docs.page import Page, pages


@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_is_so(name: str, kind: str) -> None:
    assert KINDS[kind](Page.read(name)) == []
