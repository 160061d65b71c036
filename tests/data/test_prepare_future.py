"""The promise that history does not look past the cut, byte for byte."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.prepare import prepare_tables
from colisten.data.summary import TableSummary
from colisten.files import folder_digests
from tests.conftest import CUT, write_tiny_source
from tests.data.sources import Row, copy_source, edit, put


def run(source: Path, out: Path) -> TableSummary:
    return prepare_tables(source, out, cut=CUT, window_days=14)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A source, and the digest of every file of its history."""
    root = tmp_path_factory.mktemp("known")
    source = copy_source(write_tiny_source(root / "plain", users=30), root / "source")
    for at in (5, 12):  # Items that come out after the cut.
        put(source, "items", "published_at", {at: CUT + timedelta(days=at)})
    edit(
        source,
        "interactions",
        lambda rows: [row for row in rows if row["item_id"] not in ("a005", "a012")],
    )
    edit(
        source,
        "exposures",
        lambda rows: [row for row in rows if row["item_id"] not in ("a005", "a012")],
    )
    run(source, root / "out")
    return source, folder_digests(root / "out" / "history")


@st.composite
def late_rows(draw: st.DrawFn) -> list[Row]:
    """Events at or after the cut: known and new users, items of the catalogue, new ones too."""
    item = st.sampled_from(["a000", "a005", "a012", "a039", "p000", "p059"])
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["u0000", "u0007", "newcomer", "zz"]),
                item,
                st.sampled_from(["stream", "follow", "preview", "intent_to_pay"]),
                st.integers(0, 60 * 86_400 * 10**6),
            ),
            max_size=30,
        )
    )
    return [
        {
            "user_id": user,
            "item_id": item,
            "item_type": "audiobook" if item[0] == "a" else "podcast",
            "signal": signal,
            "timestamp": CUT + timedelta(microseconds=after),
        }
        for user, item, signal, after in rows
    ]


@settings(max_examples=15, deadline=None)
@given(
    added=late_rows(),
    kept=st.sampled_from(["all", "half", "none"]),
    order=st.randoms(use_true_random=False),
)
def test_nothing_at_or_after_the_cut_changes_a_byte_of_the_history(
    known: tuple[Path, dict[str, str]], added: list[Row], kept: str, order: Any
) -> None:
    source, digests = known
    step = {"all": 1, "half": 2}.get(kept)

    def alter(extra: list[Row]) -> Callable[[list[Row]], list[Row]]:
        def change(rows: list[Row]) -> list[Row]:
            early = [row for row in rows if row["timestamp"] < CUT]
            late = [row for row in rows if row["timestamp"] >= CUT][::step] if step else []
            rows = [*early, *late, *extra]
            order.shuffle(rows)
            return rows

        return change

    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "source"
        shutil.copytree(source, changed)
        vectors = [
            {
                "user_id": row["user_id"],
                "music_vector": [at, 0.0, 1.0, 2.0],
                "timestamp": row["timestamp"],
            }
            for at, row in enumerate(
                {(row["user_id"], row["timestamp"]): row for row in added}.values()
            )
        ]
        shown = [
            {
                "request_id": f"late{at}",
                "user_id": row["user_id"],
                "variant": "2t",
                "release_id": "r",
                "surface": "home",
                "item_id": row["item_id"],
                "position": 1 + at,
                "timestamp": row["timestamp"],
            }
            for at, row in enumerate(added)
        ]
        for table, extra in (("interactions", added), ("music", vectors), ("exposures", shown)):
            edit(changed, table, alter(extra))
        run(changed, Path(folder) / "out")
        assert folder_digests(Path(folder) / "out" / "history") == digests


def test_an_event_before_the_cut_does_change_it(
    known: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    source, digests = known
    changed = shutil.copytree(source, tmp_path / "source")
    edit(
        changed,
        "interactions",
        lambda rows: [*rows, {**rows[0], "timestamp": CUT - timedelta(microseconds=1)}],
    )
    run(changed, tmp_path / "out")
    after = folder_digests(tmp_path / "out" / "history")
    assert {name for name in digests if after[name] != digests[name]} == {
        "interactions.parquet",
        "summary.json",
    }
