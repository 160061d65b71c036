from __future__ import annotations

from pathlib import Path

import pytest

from colisten.ablations.registry import ABLATIONS, FULL, Ablation, select
from colisten.errors import ConfigError
from colisten.settings.data import DataSettings
from colisten.settings.tree import Settings, load_settings

GUIDE = Path(__file__).parents[2] / "docs/ablations.md"


@pytest.mark.parametrize("ablation", ABLATIONS[1:], ids=lambda each: each.name)
def test_every_ablation_takes_something_away(ablation: Ablation) -> None:
    settings = load_settings(None, ablation.overrides)
    changed = settings.model_copy(update={"preset": "default"}) != Settings()
    assert changed or ablation.blocks != ABLATIONS[0].blocks


def test_the_papers_rows_come_first_and_in_its_order() -> None:
    assert [each.row for each in ABLATIONS[:7]] == list("ABCDEFG")
    assert not any(each.row for each in ABLATIONS[7:])
    assert ABLATIONS[0] == Ablation(FULL, "nothing", row="A")
    assert len({each.name for each in ABLATIONS}) == len(ABLATIONS)


def test_the_full_model_is_always_among_them() -> None:
    assert [each.name for each in select(("paper", "no-graph"), DataSettings())] == [
        FULL,
        "no-graph",
        "paper",
    ]
    assert select((), DataSettings()) == ABLATIONS


def test_rows_speak_of_the_types_and_signals_that_there_are() -> None:
    options = ("data.signals={'it''s / a': 0.9, click: 0.3}", "data.start_signals=['it''s / a']")
    shop = load_settings(None, (*options, "data.context_types=[]")).data
    rows = {each.name: each for each in select((), shop)}
    assert not {"no-target-edges", "only-auxiliary-edges"} & rows.keys()
    assert len(rows) == len(ABLATIONS) - 4
    weak = load_settings(None, (*options, *rows["no-weak-signals"].overrides))
    assert weak.data.signals == {"it's / a": 0.9, "click": 0.0}
    assert weak.graph.signals == ("it's / a",)


def test_an_unknown_name_tells_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no-text"):
        select(("no-txt",), DataSettings())


def test_the_guide_lists_every_ablation() -> None:
    rows = "\n".join(
        f"| {each.row or ''} | `{each.name}` | {each.removes} | {how(each)} |" for each in ABLATIONS
    )
    assert rows in GUIDE.read_text()


def how(ablation: Ablation) -> str:
    settings = [f"`{override}`" for override in ablation.overrides]
    if ablation.blocks != ABLATIONS[0].blocks:
        settings.append(f"towers see `{ablation.blocks}`")
    return ", ".join(settings)
