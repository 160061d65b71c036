"""A misspelt environment variable is named, and not taken for one that is not set."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.serving.environment import Environment, workers
from colisten.variables import KNOWN, PREFIX, check_variables

ROOT = Path(__file__).parents[1]
# Of the tests alone.
OF_TESTS = {
    "COLISTEN_REAL_DATA",
    "COLISTEN_TEST_IMAGES",
    "COLISTEN_REDIS",
    "COLISTEN_RECTOOLS_PYTHON",
}


@given(
    name=st.sampled_from(KNOWN),
    at=st.integers(len(PREFIX), 40),
    letter=st.sampled_from(string.ascii_uppercase + "_"),
    how=st.sampled_from(["add", "drop", "lower"]),
)
def test_a_slip_of_one_letter_is_named(name: str, at: int, letter: str, how: str) -> None:
    at = len(PREFIX) + (at - len(PREFIX)) % (len(name) - len(PREFIX))
    slip = {
        "add": name[:at] + letter + name[at:],
        "drop": name[:at] + name[at + 1 :],
        "lower": name.lower(),
    }[how]
    with pytest.raises(ConfigError, match=name):
        check_variables({slip: "x"})


def test_what_is_known_or_of_others_is_left_alone() -> None:
    of_kubernetes = [
        "COLISTEN_SERVICE_HOST",
        "COLISTEN_SERVICE_PORT_HTTP",
        "COLISTEN_PORT",
        "COLISTEN_PORT_3000_TCP_ADDR",
        "COLISTEN_MILVUS_PORT",
        "COLISTEN_MILVUS_SERVICE_HOST",
    ]
    set_here = dict.fromkeys([*KNOWN, *OF_TESTS, *of_kubernetes, "HOME", "PATH"], "1")
    check_variables(set_here)


def test_every_variable_in_the_code_is_known() -> None:
    folders = ("colisten", "cli", "serving", "monitoring", "components", "pipelines", "k8s", "docs")
    found: set[str] = set()
    for folder in folders:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".md", ".yaml", ".yml"):
                found |= set(re.findall(rf"{PREFIX}[A-Z_]+", file.read_text(encoding="utf-8")))
    assert found - OF_TESTS <= {*KNOWN, PREFIX}
    assert {"COLISTEN_HOME", "COLISTEN_LOG_LEVEL"} <= found


@pytest.mark.parametrize("value", ["nope", "yes", "true", "2", " 1"])
def test_debug_is_on_or_off(value: str) -> None:
    with pytest.raises(ConfigError, match="COLISTEN_DEBUG"):
        check_variables({"COLISTEN_DEBUG": value})


def test_the_service_refuses_them_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nearest known one is 'COLISTEN_SETTINGS'"):
        Environment.read({"COLISTEN_HOME": str(tmp_path), "COLISTEN_SETTING": "{}"})


@given(st.text(max_size=8) | st.sampled_from(["²", "٣", "0", "-1", "1e1", " 2", "9" * 5000]))
def test_workers_are_a_plain_number(text: str) -> None:
    plain = text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 9999
    if plain:
        assert workers({"COLISTEN_WORKERS": text}) == int(text)
    else:
        with pytest.raises(ConfigError, match="COLISTEN_WORKERS"):
            workers({"COLISTEN_WORKERS": text})


@pytest.mark.parametrize("mask", ["8", "0o77", "1777", "rwx", "-1"])
def test_a_mask_is_octal(mask: str) -> None:
    with pytest.raises(ConfigError, match="COLISTEN_UMASK"):
        check_variables({"COLISTEN_UMASK": mask})
