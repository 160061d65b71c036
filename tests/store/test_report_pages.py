"""Pages of reports follow a store, and nothing else of it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.errors import ReleaseCorrupt
from colisten.steps.use_cases.store import fetch_pages, push_home
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from tests.store.conftest import Origin


def test_pages_are_what_the_latest_run_left(
    origin: Origin, address: StoreAddress, tmp_path: Path
) -> None:
    pages, shown = origin.folder / "reports", tmp_path / "shown"
    (pages / "more").mkdir(parents=True)
    (pages / "drift.html").write_text("<p>one</p>")
    (pages / "more" / "graph.html").write_text("<p>two</p>")
    push_home(origin.folder, address)
    assert fetch_pages(shown, address) == 2
    assert (shown / "reports/more/graph.html").read_text() == "<p>two</p>"
    assert [one.name for one in shown.iterdir()] == ["reports"], "no release, no features"
    (pages / "drift.html").write_text("<p>another</p>")
    push_home(origin.folder, address)
    Bucket(address).remove("reports/more/graph.html")
    assert fetch_pages(shown, address) == 1
    assert (shown / "reports/drift.html").read_text() == "<p>another</p>"
    assert not (shown / "reports/more/graph.html").exists()


def test_a_page_leads_nowhere_else(address: StoreAddress, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("<p>one</p>")
    Bucket(address).store("reports/../escaped.html", page)
    with pytest.raises(ReleaseCorrupt, match="escaped"):
        fetch_pages(tmp_path / "shown", address)
    assert not (tmp_path / "shown/escaped.html").exists()
