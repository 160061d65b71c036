"""docs/extending.md, another loss: what stands there is applied to a copy, and trains."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TRAIN = """
import sys
from pathlib import Path

import colisten
from colisten.training.towers.loop import train_towers
from tests.training.towers.test_loop import World, small

here = Path(sys.argv[1])
assert Path(colisten.__file__).is_relative_to(here), colisten.__file__
world = World(here / "world")
settings = small("towers.loss=bpr", "towers.epochs=2", "towers.batch_size=512")
result = train_towers(world.rows, world.catalogue, world.blocks(), settings, out=here / "towers")
losses = [point["fit_loss"] for point in result.curve if "fit_loss" in point]
assert len(losses) == 2 and losses[1] < losses[0], losses
"""


@pytest.mark.slow
def test_the_loss_of_the_guide_is_two_files_and_trains(tmp_path: Path) -> None:
    guide = (ROOT / "docs/extending.md").read_text().split("\n## Another loss\n")[1]
    guide = guide.split("\n## ")[0]
    files = re.findall(r"`([\w/]+\.py)`", guide)
    assert len(files) == 2
    (addition,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    ((old, new),) = re.findall(r"```diff\n-(.*?)\n\+(.*?)\n```", guide)
    for package in ("colisten", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package)
    losses, sections = (tmp_path / file for file in files)
    losses.write_text(losses.read_text() + "\n\n" + addition)
    text = sections.read_text()
    assert text.count(old) == 1
    sections.write_text(text.replace(old, new))
    subprocess.run(
        [sys.executable, "-c", _TRAIN, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        timeout=120,
    )
