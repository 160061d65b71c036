"""What the pages say is so: links, paths, names, settings, defaults, commands, code, messages."""

from __future__ import annotations

import pytest

from tests.docs.faults import KINDS, RUN_AS_PRINTED
from tests.docs.page import ROOT, Page, pages


@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_is_so(name: str, kind: str) -> None:
    assert KINDS[kind](Page.read(name)) == []


def test_a_page_whose_printed_lines_are_not_read_here_is_run() -> None:
    for name, test in RUN_AS_PRINTED.items():
        assert name.removeprefix("docs/") in (ROOT / test).read_text()
