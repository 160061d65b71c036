"""Figures and sketches in the pages' prose, computed from what they speak of."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import colisten
from colisten.json_files import read_mapping
from colisten.settings.tree import Settings, load_settings
from colisten.steps.train_hgnn import train_hgnn
from colisten.text.encoders import load_encoder
from tests.conftest import CUT
from tests.docs.faults import LEFT_BY_A_RUN
from tests.docs.page import Page
from tests.pipelines.test_small_worlds import LEAST


def test_the_width_of_the_towers_vectors_is_that_of_the_settings() -> None:
    settings = Settings()
    parts = (
        len(settings.towers.popularity_half_lives),
        load_encoder(settings.text.encoder).dim,
        settings.hgnn.dim,
        settings.graph.factors,
        settings.towers.transfer,
        2,
    )
    assert settings.towers.knn_term
    towers = re.sub(r"\s+", " ", Page.read("docs/towers.md").prose)
    taste = settings.towers.members * settings.towers.dim
    product = f"{settings.towers.members} * {settings.towers.dim}"
    shown = " + ".join([product, *map(str, parts)])
    assert f"{taste + sum(parts)} with default settings ({shown})" in towers
    assert (
        f"D = {taste + sum(parts)} with default settings" in Page.read("docs/architecture.md").prose
    )


def test_the_sketch_of_a_step_is_its_signature() -> None:
    code = next(each.code for each in Page.read("docs/pipeline.md").blocks if "def" in each.code)
    sketch = ast.parse(code).body[0]
    assert isinstance(sketch, ast.FunctionDef)
    names = [each.arg for each in (*sketch.args.args, *sketch.args.kwonlyargs)]
    assert names == list(inspect.signature(train_hgnn).parameters)


@pytest.mark.slow
def test_a_run_leaves_what_the_pages_name(tiny_source: Path, tmp_path: Path) -> None:
    settings = load_settings(None, (*LEAST, "text.encoder=minilm", "evaluation.baselines=false"))
    colisten.run(tiny_source, CUT, tmp_path, settings, window_days=30)
    assert [each for each in LEFT_BY_A_RUN if each and not any(tmp_path.glob(each))] == []

    vectors = next(tmp_path.glob("releases/r*/item_vectors.npy"))
    taste = settings.towers.members * settings.towers.dim
    graph = settings.hgnn.dim + settings.graph.factors + settings.towers.transfer
    most = taste + 3 + 384 + graph + 2
    spec = read_mapping(vectors.parent / "spec.json")
    assert colisten.load_release(tmp_path).release_id == vectors.parent.name
    assert np.load(vectors).shape[1] == spec["dim"] <= most
