"""docs/extending.md, another index: applied to a copy it keeps what every index promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_index_of_the_guide_is_two_files_and_keeps_the_contract(tmp_path: Path) -> None:
    guide = (ROOT / "docs/extending.md").read_text().split("\n## Another index\n")[1]
    guide = guide.split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    ((old, new),) = re.findall(r"```diff\n-(.*?)\n\+(.*?)\n```", guide)
    for part in ("colisten", "tests", "feature_repo"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "colisten/index/faiss.py").write_text(code)
    sections = tmp_path / "colisten/settings/index.py"
    text = sections.read_text()
    assert text.count(old) == 1
    sections.write_text(text.replace(old, new))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/index/test_contract.py", "-k", "faiss"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert ended.stdout.count(".") > 50  # one each test that passed
