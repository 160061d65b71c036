"""An unknown word is refused by name of the nearest known one, whatever it is and wherever."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.item_knn import fit_item_knn
from colisten.cli.inputs import load_with_target
from colisten.data.catalogue import Catalogue
from colisten.errors import ColistenError, ConfigError, GraphError
from colisten.explain.importance import GroupImportance, Importance
from colisten.logs import configure_logs
from colisten.models.aggregation import aggregate
from colisten.models.hgnn import HGNNLayer
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.settings.section import Section
from colisten.settings.tree import SECTIONS, Settings, load_settings, settings_from
from colisten.training.distributed import world
from colisten.words import advice, counted, known_word, nearest
from tests.sampling.graphs import random_graph

ROOT = Path(__file__).parent.parent
KNOWN = ("max", "mean", "weighted")
CUT = datetime(2025, 6, 1, tzinfo=UTC)
anything = st.one_of(
    st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.tuples()
)


@given(anything)
def test_what_is_not_known_is_refused_in_one_line(word: object) -> None:
    assume(word not in KNOWN)
    with pytest.raises(GraphError) as caught:
        known_word("Aggregation", word, KNOWN, GraphError)
    assert any(repr(each) in caught.value.do for each in KNOWN)
    assert len(str(caught.value).splitlines()) == 1
    assert nearest(word, KNOWN) in KNOWN


@given(st.sampled_from(KNOWN), st.integers(0, 8), st.characters(categories=["Ll"]))
def test_a_slip_of_one_letter_finds_the_word_that_was_meant(
    word: str, place: int, letter: str
) -> None:
    slip = word[:place] + letter + word[place:]
    assert nearest(slip, KNOWN) == word
    assert nearest(slip.upper(), KNOWN) == word
    assert advice(slip, KNOWN).startswith(f"The nearest known one is {word!r}")


def test_one_is_counted_in_the_singular() -> None:
    said = [counted(count, "row") for count in (0, 1, 2, 2608)]
    assert said == ["0 rows", "1 row", "2 rows", "2,608 rows"]


def test_a_known_word_is_itself() -> None:
    assert known_word("Aggregation", "mean", KNOWN) == "mean"
    assert known_word("Aggregation", np.str_("mean"), KNOWN) == "mean"
    assert known_word("Relation", ("a", "b"), [("a", "b")]) == ("a", "b")
    with pytest.raises(ConfigError, match="None is known"):
        known_word("Relation", "x", [])
    with pytest.raises(ConfigError, match="True is unknown"):
        known_word("Number", True, [7, 1])
    with pytest.raises(ConfigError) as caught:
        known_word("Aggregation", np.eye(40), KNOWN)
    assert len(str(caught.value).splitlines()) == 1


def _words_of(annotation: Any) -> tuple[str, ...]:
    """The words of a `Literal` anywhere in an annotation."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for part in get_args(annotation) for word in _words_of(part))


def _settings_of_words() -> Iterator[tuple[str, str, bool]]:
    """Every setting that takes words: its name, one of them, whether it takes a list."""
    for name, field in Settings.model_fields.items():
        inner = [("", name, field)]
        if isinstance(field.default, Section):
            fields = type(field.default).model_fields.items()
            inner = [(f"{name}.", key, each) for key, each in fields]
        for section, key, each in inner:
            words = _words_of(each.annotation)
            if words and get_origin(each.annotation) is not dict:
                yield section + key, words[-1], get_origin(each.annotation) is tuple


OF_WORDS = sorted(_settings_of_words())


def test_the_settings_that_take_words_are_found() -> None:
    assert len(OF_WORDS) >= 9
    assert ("graph.relations", "context-context", True) in OF_WORDS


@pytest.mark.parametrize(("name", "word", "listed"), OF_WORDS, ids=[each[0] for each in OF_WORDS])
def test_a_setting_names_the_word_that_was_meant(name: str, word: str, listed: bool) -> None:
    slip = f"{word}x"
    with pytest.raises(ConfigError) as caught:
        load_settings(None, (f"{name}={f'[{slip}]' if listed else slip}",))
    assert name in caught.value.what.replace(".0", "")
    assert caught.value.do.startswith(f"The nearest known one is '{word}'")


def test_a_start_is_one_of_the_signals() -> None:
    with pytest.raises(ConfigError, match=r"'stream', which .* nearest is 'streem'"):
        load_settings(None, ("data.signals={streem: 1.0, click: 0.1}",))


def test_a_value_of_a_mapping_is_a_word_too() -> None:
    with pytest.raises(ConfigError, match=r"'categry'.*nearest known one is 'category'"):
        load_settings(None, ("data.user_features={plan: categry}",))


@given(anything)
def test_no_preset_is_taken_for_the_default(word: object) -> None:
    assume(word not in ("default", "paper"))
    with pytest.raises(ConfigError, match=r"preset.*nearest known one is"):
        settings_from({"preset": word})


def _one_podcast() -> Catalogue:
    return Catalogue(pa.table({"item_id": ["p"], "item_type": ["podcast"]}))


def _nobody() -> InteractionMatrix:
    return InteractionMatrix(
        sparse.csr_matrix((1, 1), dtype=np.float32),
        np.zeros(0, np.int64),
        np.array(["u"], object),
        slice(0, 1),
    )


# What takes a word beside settings: a call with a slip, and the word that was meant.
CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "aggregation": (
        lambda: aggregate(torch.ones(2, 2), torch.zeros(2, 1).long(), "maen"),  # type: ignore[arg-type]
        "mean",
    ),
    "layer": (
        lambda: HGNNLayer(2, 2, ("a",), (), activate=True, aggregation="mxa"),  # type: ignore[arg-type]
        "max",
    ),
    "device": (lambda: world("cuda:0").__enter__(), "cuda"),
    "log level": (lambda: configure_logs("warn"), "warning"),
    "type of a slice": (lambda: _one_podcast().slice_of("podcasts"), "podcast"),
    "similarity": (
        lambda: fit_item_knn(_nobody(), {"similarity": "cosin", "neighbours": 1}, 1, 0),
        "cosine",
    ),
    "ratio": (
        lambda: MultiLinkNeighborLoader(
            random_graph(3, 3, 9, 0), (1,), balance={("podcast", "podcasts"): 1.0}
        ),
        "podcast', 'co_listened', 'podcast",
    ),
    "balance": (
        lambda: MultiLinkNeighborLoader(random_graph(3, 3, 9, 0), (1,), balance="minimum"),  # type: ignore[arg-type]
        "min",
    ),
    "negatives": (
        lambda: MultiLinkNeighborLoader(random_graph(3, 3, 9, 0), (1,), negatives="inbatch"),  # type: ignore[arg-type]
        "in_batch",
    ),
    "group of inputs": (
        lambda: Importance(
            users=1,
            repeats=1,
            baseline={},
            groups=[GroupImportance(side="user", group="music", columns=1, losses={})],
        ).of("user", "musik"),
        "music",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_names_the_word_that_was_meant(name: str) -> None:
    call, meant = CALLS[name]
    with pytest.raises(ColistenError) as caught:
        call()
    assert re.search(r"is unknown\.|There is no", caught.value.what)
    assert f"'{meant}'" in caught.value.do.partition(", of ")[0]


# Checked by the function that they go to, which is in this test as well, or word by word.
HANDED_ON = {("checked", "kinds"), ("drives", "side"), ("__init__", "balance")}


def _parameters_of_words(trees: dict[str, ast.Module]) -> Iterator[tuple[str, str, str, str]]:
    """Public functions' parameters that are a `Literal`, or a name given to one, and their code."""
    named = {
        target.id
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "Literal[" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    public = re.compile("[a-z]|__init__")
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or not public.match(node.name):
                continue
            for one in [*node.args.args, *node.args.kwonlyargs]:
                said = "" if one.annotation is None else ast.unparse(one.annotation)
                if "Literal[" in said or named & set(re.findall(r"\w+", said)):
                    yield file, node.name, one.arg, ast.unparse(node)


def test_a_parameter_of_words_is_checked_where_it_comes_in() -> None:
    found = list(
        _parameters_of_words(
            {
                file.relative_to(ROOT).as_posix(): ast.parse(file.read_text())
                for file in sorted((ROOT / "colisten").rglob("*.py"))
            }
        )
    )
    assert len(found) >= 8
    for file, name, parameter, code in found:
        if (name, parameter) in HANDED_ON:
            continue
        assert re.search(rf"known_word\([^)]*\b{parameter}\b", code), f"{file}: {name}, {parameter}"


@pytest.mark.parametrize(
    ("slip", "near"),
    [("graf", "graph"), ("Graph", "graph"), ("towrs", "towers"), (" index", "index")],
)
def test_a_section_names_the_section_that_was_meant(slip: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"section.*nearest known one is '{near}'"):
        settings_from({slip: {"x": 1}})


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", ["word", 1, None, True, []])
def test_a_section_is_no_value(section: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"'{section}' is a section.*{section}\.NAME=VALUE"):
        settings_from({section: value})


def _numbers(annotation: Any) -> bool:
    parts = get_args(annotation)
    return annotation in (int, float) or any(map(_numbers, parts))


def _settings_of_numbers() -> Iterator[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        inner = [("", name, field)]
        if isinstance(field.default, Section):
            fields = type(field.default).model_fields.items()
            inner = [(f"{name}.", key, each) for key, each in fields]
        for section, key, each in inner:
            if _numbers(each.annotation):
                yield section + key, get_origin(each.annotation)


OF_NUMBERS = sorted(_settings_of_numbers(), key=lambda each: each[0])


@pytest.mark.parametrize(("name", "holder"), OF_NUMBERS, ids=[each[0] for each in OF_NUMBERS])
def test_yes_is_no_number(name: str, holder: Any) -> None:
    said = {dict: "{stream: yes}", tuple: "[yes]"}.get(holder, "yes")
    with pytest.raises(ConfigError, match=name):
        load_settings(None, (f"{name}={said}",))


@pytest.mark.parametrize("target", ["podcst", "Podcast", "", "audiobook ", "music"])
def test_a_target_names_the_item_type_that_was_meant(target: str) -> None:
    with pytest.raises(ConfigError, match=r"--target.*nearest known one is"):
        load_with_target(None, None, target)
