"""Settings in YAML: plain values that are worth their size, or one line of refusal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.yaml_files import LARGEST_BYTES, parse_yaml, read_yaml
from tests.cli.corpus import BOMB


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_is_a_value_or_one_line_of_refusal(text: str) -> None:
    try:
        parse_yaml(text, "The text")
    except ConfigError as error:
        said = str(error)
        if "\n" in said:
            raise


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "anchors"),
        ("hgnn: &a {dim: *a}", "anchors"),
        ("a: 1\na: 2", "twice"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("[" * 20_000, "nested too deeply"),
        ("x" * (LARGEST_BYTES + 1), "settings take less"),
        ("a: [", "no YAML"),
        ("2020-13-45", "month must be"),
    ],
)
def test_what_settings_do_not_need_is_refused_at_once(text: str, why: str) -> None:
    since = time.process_time()
    with pytest.raises(ConfigError, match=why):
        parse_yaml(text, "The text")
    assert time.process_time() - since < 10


def test_plain_values_are_read() -> None:
    assert parse_yaml("a: {b: [1, two, 3.5, null]}", "The text") == {
        "a": {"b": [1, "two", 3.5, None]}
    }


def test_a_file_is_read_with_or_without_a_mark_and_at_most_as_far_as_settings_go(
    tmp_path: Path,
) -> None:
    file = tmp_path / "settings.yaml"
    for mark in ("", "\ufeff"):
        file.write_text(f"{mark}a: 1", encoding="utf-8")
        assert read_yaml(file, "settings") == {"a": 1}
    file.write_bytes(b"\xff")
    for wrong in (file, tmp_path, tmp_path / "none", Path("\0")):
        with pytest.raises(ConfigError, match="Cannot read the design"):
            read_yaml(wrong, "the design", "Say it.")
    with pytest.raises(ConfigError, match="settings take less"):
        read_yaml(Path("/dev/zero"), "settings")
