"""The graphs in the documentation are those of the compiled files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from colisten.pipelines.compilation import compile_pipeline, documents
from colisten.pipelines.drawing import mermaid
from colisten.pipelines.parameters import Steps
from colisten.pipelines.registry import PIPELINES, make_pipeline
from colisten.settings.tree import Settings

PAGE = Path("docs/pipeline_graphs.md").read_text()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_page_draws_what_is_compiled(name: str, tmp_path: Path) -> None:
    (drawn,) = re.findall(rf"(?s)## {name}\n\n```mermaid\n(.*?)```", PAGE)
    pipeline = make_pipeline(name, Steps.for_cluster(Settings(), None))
    spec, _ = documents(compile_pipeline(pipeline, tmp_path / "p.yaml").read_text())
    assert drawn == mermaid(spec), f"colisten pipeline draw {name}"
    for task in spec["root"]["dag"]["tasks"].values():
        assert task["taskInfo"]["name"] in drawn
