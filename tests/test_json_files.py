"""Every file of ours is JSON that any reader takes, and only such files are read."""

from __future__ import annotations

import ast
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from colisten.errors import ColistenError, ConfigError, JsonError
from colisten.json_files import parse_json, read_json, read_mapping, to_json, write_json
from colisten.logs import configure_logs
from colisten.release.journal import Journal
from colisten.serving.answers import ShelfItem

ROOT = Path(__file__).parent.parent
# Texts with halves of surrogate pairs among them, as file names give.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.datetimes(),
    st.dates(),
    st.floats(width=32).map(np.float32),
    st.integers(-128, 127).map(np.int8),
    st.booleans().map(np.bool_),
    st.lists(st.floats(), max_size=3).map(np.array),
    st.sampled_from([pd.NaT, pd.NA, np.datetime64("NaT"), Path("a/\udc80")]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(TEXTS, inner, max_size=4),
    ),
    max_leaves=20,
)


def strict(text: str) -> Any:
    """Another reader's view: UTF-8 that holds no constant JSON lacks and no key twice."""

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    text.encode()
    value = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def same(value: Any, read: Any) -> bool:
    """Whether `read` is what became of the plain parts of `value`."""
    if isinstance(value, dict):
        return len(value) == len(read) and all(
            same(each, got) for each, got in zip(value.values(), read.values(), strict=True)
        )
    if isinstance(value, (list, tuple)):
        return all(same(each, got) for each, got in zip(value, read, strict=True))
    if isinstance(value, float):
        return read is None if not math.isfinite(value) else bool(read == value)
    if isinstance(value, (bool, int)) or value is None:
        return bool(read == value)
    return True


@given(VALUES)
def test_whatever_is_written_is_strict_and_comes_back(value: Any) -> None:
    try:
        text = to_json(value)
    except ValueError as error:
        # Two keys that are one once a surrogate is spelled out.
        if "Two keys" not in str(error):
            raise
        return
    assert same(value, strict(text))
    assert parse_json(text) == strict(text)
    assert strict(to_json(value, indent=2, sort=True)) == strict(text)


@given(st.recursive(st.floats(), lambda inner: st.lists(inner, min_size=1, max_size=3)))
def test_a_writer_may_ask_for_finite_numbers(value: Any) -> None:
    if all(map(math.isfinite, np.ravel(np.array(_flat(value))))):
        assert "null" not in to_json(value, finite=True)
    else:
        with pytest.raises(ValueError, match="is not finite"):
            to_json(value, finite=True)


def _flat(value: Any) -> list[float]:
    return [each for part in value for each in _flat(part)] if isinstance(value, list) else [value]


@given(st.binary(max_size=60) | st.text(st.characters(exclude_categories=()), max_size=60))
def test_anything_read_is_strict_json_or_one_line_of_refusal(text: str | bytes) -> None:
    try:
        value = parse_json(text)
    except JsonError as error:
        said = str(error)
        if said.splitlines() != [said]:
            raise
        return
    said = text.decode() if isinstance(text, bytes) else text
    assert value == strict(said)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "larger than any number"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is there twice"),
        ('["\\udc80"]', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5_000, "4300 digits"),
        (b"\xff\xfe", "not UTF-8"),
        ("", "Expecting value"),
        ('{"a": 1} {"a": 2}', "Extra data"),
    ],
)
def test_loose_json_is_refused_in_words(tmp_path: Path, text: str | bytes, why: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(JsonError, match=re.escape(why)) as found:
        read_json(file)
    assert isinstance(found.value, ColistenError)
    assert isinstance(found.value, ValueError), "who knows what the file was for says so"
    assert str(file) in str(found.value)


def test_a_list_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(JsonError, match="no JSON object but a list"):
        read_mapping(tmp_path / "a.json")


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    value: float
    names: frozenset[str]


@dataclass
class Data:
    at: datetime
    day: date
    model: Model


def test_values_become_what_a_person_would_write() -> None:
    value = {
        Colour.RED: Data(
            datetime(2025, 6, 1, tzinfo=UTC),
            date(2025, 6, 1),
            Model(value=math.nan, names=frozenset("cab")),
        ),
        1: np.datetime64("2025-06-01"),
        None: np.array([[1.5, math.inf]]),
    }
    assert strict(to_json(value)) == {
        "red": {
            "at": "2025-06-01T00:00:00+00:00",
            "day": "2025-06-01",
            "model": {"value": None, "names": ["a", "b", "c"]},
        },
        "1": "2025-06-01",
        "null": [[1.5, None]],
    }


@pytest.mark.parametrize("value", [b"bytes", object(), {"a": [1j]}, {(1, 2): 3}])
def test_what_json_cannot_hold_is_refused_and_leaves_no_file(tmp_path: Path, value: Any) -> None:
    if value == {(1, 2): 3}:
        assert strict(to_json(value)) == {"[1, 2]": 3}
        return
    with pytest.raises(TypeError, match="JSON holds no"):
        write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="holds itself"):
        to_json(value)


def test_files_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"title": "Ærø\n\r"})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "title": "Ærø\\n\\r"\n}\n'.encode()


def test_log_lines_are_strict(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    try:
        structlog.get_logger().info("x\udc80", value=math.nan, strange=object(), path=Path("a"))
        line = strict(capsys.readouterr().err)
    finally:
        structlog.reset_defaults()
    assert (line["value"], line["path"]) == (None, "a")
    assert line["strange"].startswith("<object")


def test_journal_lines_are_strict(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("published", "r\udc80", recall=math.nan)
    (line,) = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert strict(line)["recall"] is None
    assert journal.entries() == [strict(line)]


def test_answers_of_the_service_are_strict() -> None:
    item = ShelfItem(rank=1, item_id="a", title=None, score=math.nan, inner_product=0.5, why=None)
    assert strict(item.model_dump_json())["score"] is None


def test_settings_hold_finite_numbers_alone() -> None:
    from colisten.settings.tree import Settings, load_settings

    for value in (".nan", ".inf", "-.inf"):
        with pytest.raises(ConfigError, match="finite number"):
            load_settings(overrides=(f"towers.learning_rate={value}",))
    for text in ("[]", "null", '{"seed": 1, "seed": 2}', '{"seed": NaN}', "seed: 1"):
        with pytest.raises(ConfigError):
            Settings.from_json(text)


def _calls(file: Path) -> set[str]:
    """Names of called attributes, and of modules that are imported."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and re.search(
            r"\bjson\.(dump|load)s?\(", str(node.value)
        ):
            found.add("json")  # in a program that a benchmark hands to a process of its own
    return found


ROOMS = "benchmarks cli colisten components feature_repo monitoring pipelines serving"


@pytest.mark.parametrize("room", ROOMS.split())
def test_json_has_one_home(room: str) -> None:
    """A writer of its own would sooner or later write NaN."""
    writers = {"json", "orjson", "ujson", "simplejson", "to_json_string", "model_dump_json"}
    allowed = {
        ROOT / "colisten/json_files.py": {"json"},
        # Answers are typed models; pydantic writes them strictly and a dozen times as fast.
        ROOT / "serving/app.py": {"model_dump_json"},
        ROOT / "serving/page/routes.py": {"model_dump_json"},
        # They read in an interpreter that has nothing of ours.
        ROOT / "benchmarks/rectools_rival.py": {"json"},
        ROOT / "colisten/triton/tower_model.py": {"json"},
    }
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        found = _calls(file) & writers - allowed.get(file, set())
        assert not found, f"{file}: use colisten.json_files instead of {sorted(found)}"
