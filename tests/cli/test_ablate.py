"""`colisten ablate` and the shorthands of `colisten run`, as far as nothing is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from colisten.ablations.registry import ABLATIONS
from colisten.cli.app import answer, program
from colisten.cli.inputs import load_with_target
from colisten.errors import ConfigError
from colisten.settings.tree import Settings


def test_the_list_has_a_line_an_ablation() -> None:
    shown = CliRunner().invoke(program(), ["ablate", "--list"])
    assert shown.exit_code == 0
    for line, ablation in zip(shown.stdout.splitlines()[1:], ABLATIONS, strict=True):
        assert ablation.name in line.split()
        assert ablation.removes in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "tables"], "needs --data, --cut and --out"),
        (
            ["--data", "t", "--cut", "2025-06-30", "--out", "o", "--only", "no-grph"],
            "nearest known one is 'no-graph'",
        ),
        (
            ["--data", "t", "--cut", "2025-06-30", "--out", "o", "--set", "hgnn.layer=2"],
            "hgnn.layers",
        ),
    ],
)
def test_faults_are_said_before_anything_is_written(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(program(), ["ablate", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_help_teaches_with_an_example() -> None:
    shown = CliRunner().invoke(program(), ["ablate", "--help"]).stdout
    assert "colisten ablate --data tables" in shown


def test_the_target_shorthand_swaps_both_types() -> None:
    settings = load_with_target(None, None, "podcast")
    assert (settings.data.target_type, settings.data.context_types) == ("podcast", ("audiobook",))
    assert load_with_target(None, None, None) == Settings()
    three = load_with_target(None, ["data.context_types=[podcast, music]"], "music")
    assert (three.data.target_type, three.data.context_types) == ("music", ("audiobook", "podcast"))
    line = ["run", "--data", "t", "--cut", "2025-06-30", "--out", "o", "--target", "song"]
    assert answer(line) == 2
