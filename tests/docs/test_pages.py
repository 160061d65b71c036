"""What the pages say is so: links, paths, names, settings, defaults, commands, code, messages."""

from __future__ import annotations

import pytest

from tests.docs.code import INTO_A_FILE
from tests.docs.faults import KINDS
from tests.docs.page import ROOT, Page, pages


@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_is_so(name: str, kind: str) -> None:
    assert KINDS[kind](Page.read(name)) == []


def test_a_block_that_stands_in_another_file_is_tried_there() -> None:
    for (_, heading), test in INTO_A_FILE.items():
        assert heading in (ROOT / test).read_text()
