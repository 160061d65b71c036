"""The example in docs/explain.md runs as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from colisten.explain.explanation import Explanation

GUIDE = Path(__file__).parents[2] / "docs/explain.md"


def test_the_example_explains_a_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").symlink_to(home)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert isinstance(names["found"], Explanation)
    assert "<html" in (tmp_path / "explain.html").read_text()[:200]
