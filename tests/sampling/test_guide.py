"""The lines of docs/loader.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def test_the_loader_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "loader.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/loader.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 15 + 2
    assert all("torch.Size" in line for line in printed[:15])
    assert printed[15:] == ["360 pairs, 720 given negatives"] * 2
