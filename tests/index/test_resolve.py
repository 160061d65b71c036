"""Which index: what somebody set wins, field by field; the rest is where it was published."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.index.opening import index_class
from colisten.index.resolve import resolve_index
from colisten.serving.environment import Environment
from colisten.settings.index import IndexSettings
from colisten.settings.tree import load_settings, settings_from
from colisten.variables import SETTINGS

SERVER = "http://127.0.0.1:19530"
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "backend": st.sampled_from(["milvus", "exact"]),
        "uri": st.sampled_from([None, SERVER, "http://127.0.0.1:19531"]),
        "ef": st.integers(1, 1000),
    },
)


@pytest.mark.parametrize(
    ("published", "overrides", "expected"),
    [
        ({"backend": "milvus", "uri": SERVER}, ("index.ef=300",), ("milvus", SERVER, 300)),
        ({"backend": "exact"}, ("index.backend=milvus",), ("milvus", None, None)),
        ({"backend": "exact"}, (f"index.uri={SERVER}",), ("milvus", SERVER, None)),
        ({"backend": "milvus", "uri": SERVER}, ("serving.rest_after=9",), ("milvus", SERVER, None)),
        ({"backend": "milvus", "uri": SERVER}, ("index.uri=null",), ("milvus", None, None)),
        ({"backend": "milvus", "uri": SERVER}, ("preset=paper",), ("milvus", SERVER, None)),
        (None, (), ("exact", None, None)),
        (None, (f"index.uri={SERVER}",), ("milvus", SERVER, None)),
    ],
)
def test_what_was_set_wins_and_the_rest_is_as_published(
    published: dict[str, Any] | None, overrides: tuple[str, ...], expected: tuple[Any, ...]
) -> None:
    known = None if published is None else IndexSettings.model_validate(published)
    named = load_settings(None, overrides).index
    found = resolve_index(named, known)
    assert (found.backend, found.uri, found.ef) == expected


@given(published=st.none() | FIELDS, named=FIELDS)
def test_every_field_has_one_source(
    published: dict[str, Any] | None, named: dict[str, Any]
) -> None:
    known = None if published is None else IndexSettings.model_validate(published)
    found = resolve_index(IndexSettings.model_validate(named), known).model_dump()
    expected = IndexSettings().model_dump() | (published or {}) | named
    said = (published or {}) | named
    if named.get("uri") is not None or (said.get("uri") and "backend" not in said):
        expected["backend"] = "milvus"
    assert found == expected


@given(index=FIELDS, preset=st.sampled_from(["default", "paper"]))
def test_the_workers_know_what_was_set(
    index: dict[str, Any], preset: str, tmp_path_factory: Any
) -> None:
    home = tmp_path_factory.getbasetemp()
    settings = settings_from({"index": index, "preset": preset})
    read = Environment.read(Environment(home, settings).variables())
    assert read.settings == settings
    assert read.settings.index.model_fields_set == set(index)
    assert SETTINGS in Environment(home, settings).variables()


def test_an_index_that_nobody_registered_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'index\.backend' cannot be 'milvis'.*'milvus'"):
        load_settings(None, ("index.backend=milvis",))
    with pytest.raises(ConfigError, match=r"'exactly' is unknown.*'exact'"):
        index_class("exactly")
