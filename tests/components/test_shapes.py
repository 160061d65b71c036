"""A step is told what it reads: a step that read more would be taken from the cache wrongly."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kfp.dsl import HTML, Artifact, Dataset, Metrics, Model

from colisten.config import Settings, load_settings, setting_names
from colisten.data.catalogue import Catalogue
from colisten.sections import Section
from components.build_features.component import build_features
from components.build_graph.component import build_graph
from components.build_training_rows.component import build_training_rows
from components.check_tables.component import check_tables
from components.rank.component import rank
from components.shapes import SHAPES, shaped
from components.split_settings.component import split_settings
from components.train_hgnn.component import train_hgnn
from components.train_towers.component import train_towers
from tests.conftest import CUT

OTHERWISE = load_settings(
    None,
    (
        "seed=7",
        "threads=1",
        "data.target_type=podcast",
        "data.auxiliary_type=audiobook",
        "text.max_chars=99",
        "graph.top_k=9",
        "cross_fitting.folds=3",
        "hgnn.dim=16",
        "towers.epochs=3",
        "features.history_length=8",
        "features.half_life_days=5",
        "evaluation.k=120",
        "evaluation.depth=200",
        "gate.max_drop=0.1",
    ),
)


@pytest.mark.parametrize("step", SHAPES)
def test_a_step_gets_its_own_settings_and_defaults_for_the_rest(step: str) -> None:
    told = shaped(OTHERWISE, step)
    for name in setting_names():
        source = OTHERWISE if SHAPES[step].covers(name) else Settings()
        assert value(told, name) == value(source, name), name


def value(settings: Settings, name: str) -> Any:
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(
    ("override", "repeated"),
    [
        ("seed=1", {"hgnn", "towers", "ranking"}),
        ("towers.dropout=0.3", {"towers"}),
        ("features.half_life_days=9", {"towers"}),
        ("features.history_length=9", {"features", "towers"}),
        ("hgnn.alpha=0.5", {"hgnn"}),
        ("cross_fitting.folds=2", {"graph", "hgnn"}),
        ("graph.top_k=7", {"graph"}),
        ("graph.factors=7", {"hgnn"}),
        ("evaluation.bootstrap=7", {"ranking"}),
        ("gate.max_drop=0.5", set()),
    ],
)
def test_a_change_repeats_only_the_steps_that_it_shapes(override: str, repeated: set[str]) -> None:
    changed = load_settings(None, (override,))
    assert {
        step for step in SHAPES if shaped(changed, step) != shaped(Settings(), step)
    } == repeated


def test_a_preset_is_told_as_the_values_it_stands_for() -> None:
    paper = load_settings(None, ("preset=paper",))
    told = shaped(paper, "towers")
    assert (told.towers, told.features) == (paper.towers, paper.features)
    assert told.hgnn == Settings().hgnn
    assert Settings.from_json(told.to_json()) == told


def test_the_step_hands_out_every_shape_under_its_own_name() -> None:
    told = split_settings.python_func(settings=OTHERWISE.to_json(), code="c")
    outputs = split_settings.component_spec.outputs
    assert list(outputs) == list(SHAPES)
    for step, text in zip(outputs, told, strict=True):
        assert Settings.from_json(text) == shaped(OTHERWISE, step), step


@pytest.mark.slow
def test_steps_read_nothing_that_they_are_not_told(tiny_source: Path, tmp_path: Path) -> None:
    def made(kind: type[Artifact], name: str) -> Any:
        return kind(name=name, uri=str(tmp_path / name))

    settings = load_settings(
        None,
        (
            "threads=1",
            "hgnn.max_steps=2",
            "cross_fitting.folds=2",
            "towers.epochs=1",
            "hgnn.batch_size=64",
        ),
    ).to_json()
    cut = CUT.isoformat()
    history, holdout = made(Dataset, "history"), made(Dataset, "holdout")
    text, features = made(Dataset, "text"), made(Dataset, "features")
    graph, vectors = made(Dataset, "graph"), made(Dataset, "vectors")
    rows, towers = made(Dataset, "rows"), made(Model, "towers")
    metrics, curve = made(Metrics, "metrics"), made(HTML, "curve")
    checkpoints = str(tmp_path / "checkpoints")
    with recorded("tables"):
        check_tables.python_func(
            data=str(tiny_source),
            data_digest="d",
            cut=cut,
            window_days=30,
            settings=settings,
            code="c",
            history=history,
            holdout=holdout,
            metrics=metrics,
        )
    items = Catalogue.read(Path(history.path)).num_items
    drawn = np.random.default_rng(0).normal(size=(items, 24)).astype(np.float32)
    Path(text.path).mkdir()
    np.save(Path(text.path) / "vectors.npy", drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    with recorded("features"):
        build_features.python_func(
            history=history, text=text, cut=cut, settings=settings, features=features
        )
    with recorded("graph"):
        build_graph.python_func(
            history=history, as_of=cut, settings=settings, graph=graph, metrics=metrics
        )
    with recorded("hgnn"):
        train_hgnn.python_func(
            graph=graph,
            text=text,
            checkpoints=checkpoints,
            settings=settings,
            model=made(Model, "hgnn"),
            vectors=vectors,
            curve=curve,
            metrics=metrics,
        )
    with recorded("rows"):
        build_training_rows.python_func(
            history=history,
            features=features,
            as_of=cut,
            settings=settings,
            rows=rows,
            metrics=metrics,
        )
    # Without text the towers see z and factors alone, in a block and in histories.
    for number, blocks in enumerate(("text,z", "z")):
        with recorded("towers"):
            train_towers.python_func(
                rows=rows,
                history=history,
                text=text,
                vectors=vectors,
                blocks=blocks,
                checkpoints=checkpoints,
                settings=settings,
                towers=towers if not number else made(Model, "towers-z"),
                curve=curve,
                metrics=metrics,
            )
    assert np.load(tmp_path / "towers-z" / "history_vectors.npy").shape == (items, 256)
    with recorded("ranking"):
        rank.python_func(
            history=history,
            events=holdout,
            features=features,
            text=text,
            vectors=vectors,
            towers=towers,
            model="2T-HGNN",
            beside="random,popularity,text-KNN,HGNN-mean",
            as_of=cut,
            window_days=30,
            settings=settings,
            lists=made(Dataset, "lists"),
            metrics=metrics,
        )


@contextmanager
def recorded(step: str) -> Iterator[None]:
    """Fail if a setting is read that the step of a pipeline would not be told."""
    sections = {
        type(field.default): name
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, Section)
    }
    names = set(setting_names())
    read: Counter[str] = Counter()

    def watched(self: Section, name: str) -> Any:
        # Whether a tree is valid is no step's affair.
        module = sys._getframe(1).f_globals["__name__"]
        checked = module in ("colisten.config", "colisten.sections")
        if name in type(self).model_fields and not checked:
            section = sections.get(type(self))
            full = f"{section}.{name}" if section else name
            read[full] += full in names
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Section, "__getattribute__", watched, raising=False)
        yield
    assert +read, f"{step} read no setting at all"
    assert {name for name in +read if not SHAPES[step].covers(name)} == set()
