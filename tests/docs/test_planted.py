"""A wrong word planted into a copy of a page is seen."""

from __future__ import annotations

import pytest

from tests.docs.faults import KINDS
from tests.docs.page import Page

PLANTED = [
    ("links", "[here](nowhere.md)", "nowhere.md"),
    ("links", "[here](towers.md#what-never-was)", "#what-never-was"),
    ("links", "[here](#what-never-was)", "#what-never-was"),
    ("paths", "It lies in `colisten/graph/built.py`.", "colisten/graph/built.py"),
    ("paths", "See `benchmarks/results/nothing_*.json`.", "nothing_"),
    ("paths", "Run `make everything`.", "make everything"),
    ("names", "It is a `PopularityRanger`.", "PopularityRanger"),
    ("names", "Call `colisten.graph.build.build_graphs`.", "build_graphs"),
    ("names", "Call `evaluation.table.evaluated(rankers)`.", "evaluated"),
    ("names", "Call `Catalogue.rede(history)`.", "rede"),
    ("names", "Call `build_no_graph(history)`.", "build_no_graph"),
    ("settings", "Set `graph.topk`.", "graph.topk"),
    ("settings", "Set `graph.top_k=many`.", "graph.top_k"),
    ("settings", "Set `hgnn.loss: marginal`.", "hgnn.loss"),
    ("settings", "Set `preset=papers`.", "preset"),
    ("defaults", "It waits `towers.patience` (default 5) epochs.", "not the default"),
    (
        "defaults",
        "It is `towers.popularity_half_lives` (default [7, 30]; days).",
        "not the default",
    ),
    ("defaults", "It is `graph.weights=lift` (default).", "not the default"),
    ("defaults", "It is `lift` (default).", "not `section.name`"),
    ("defaults", "It waits `towers.patience` (2) epochs.", "write (default 2)"),
    ("commands", "Try `colisten recommended --out out`.", "recommended"),
    ("commands", "Try `colisten release promoted ID`.", "promoted"),
    ("commands", "Try `colisten run --table t`.", "--table"),
    ("commands", "Try `colisten run --set graph.topk=3`.", "graph.topk"),
    ("commands", "Give `--windows-days`.", "--windows-days"),
    ("commands", "```sh\ncolisten run --data t \\\n  --cutt 2025-01-01\n```", "--cutt"),
    ("commands", "Then:\n\n    colisten serve --folder out\n", "--folder"),
    ("python", "```python\nfrom colisten.graph.build import built\n```", "built"),
    ("python", "```python\nimport colisten\n\ncolisten.load('out')\n```", "colisten.load"),
    ("python", "```python\nimport colisten\n\ncolisten.run('t', ct='x')\n```", "ct="),
    ("python", "```python\nprint(nothing_bound)\n```", "nothing_bound"),
    ("python", "```python\nprint(\n```", "does not compile"),
    ("messages", "```text\nNo such thing was ever said.\n```", "ever said"),
    ("outputs", "It lies in `OUT/tables`.", "tables"),
    ("outputs", "Then:\n\n    OUT/\n      reports/\n        shelf.html    a page\n", "shelf.html"),
]


@pytest.mark.parametrize(("kind", "planted", "seen"), PLANTED)
def test_a_planted_fault_is_seen(kind: str, planted: str, seen: str) -> None:
    page = Page.read("docs/library.md")
    assert KINDS[kind](page) == []
    (fault,) = KINDS[kind](Page(page.name, f"{page.text}\n{planted}\n"))
    assert seen in fault


def test_what_is_right_is_no_fault() -> None:
    said = """
Set `graph.top_k=7`, which is `graph.top_k` (default 100), or `graph.weights=user_share` (default).
Run `colisten run --data t --set towers.hidden=[8,4] --no-cache`, see `colisten/graph/build.py`,
`graph.before(moment)`, `release.recommend(user)` and [there](towers.md#the-losses).

```text
Override '…' has no '='.
```
"""
    page = Page("docs/planted.md", said)
    assert {kind: check(page) for kind, check in KINDS.items()} == {kind: [] for kind in KINDS}
