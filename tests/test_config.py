from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from colisten.cli.settings import settings_markdown
from colisten.errors import ConfigError
from colisten.settings.baselines import BASELINE_NAMES, chosen_baselines
from colisten.settings.tree import Settings, load_settings, settings_table

ROOT = Path(__file__).parent.parent


def test_the_settings_page_is_up_to_date() -> None:
    assert (ROOT / "docs/settings.md").read_text() == settings_markdown()


def test_every_setting_is_explained() -> None:
    assert [name for name, _, meaning in settings_table() if not meaning] == []


def test_settings_survive_json() -> None:
    settings = load_settings(None, ("hgnn.layers=3", "graph.window_days=90"))
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.hgnn.layers == 3


def test_file_then_overrides(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 3\ntowers: {epochs: 2}\n")
    settings = load_settings(file, ("towers.epochs=4",))
    assert (settings.seed, settings.towers.epochs) == (3, 4)


@pytest.mark.parametrize(
    ("override", "nearest"),
    [("hgnn.layer=2", "hgnn.layers"), ("tower.epochs=2", "towers"), ("sed=1", "seed")],
)
def test_an_unknown_setting_names_the_nearest(override: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=nearest):
        load_settings(None, (override,))


@pytest.mark.parametrize("override", ["towers.epochs=-1", "seed=abc", "towers", "seed.x=1"])
def test_an_impossible_value_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load_settings(None, (override,))


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("seed: [")
    with pytest.raises(ConfigError, match=r"settings\.yaml"):
        load_settings(file)
    with pytest.raises(ConfigError, match="Cannot read"):
        load_settings(tmp_path / "absent.yaml")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("one", ["data.target_type=podcast", "data.context_types=[audiobook]"])
def test_one_type_does_not_help_itself(one: str) -> None:
    with pytest.raises(ConfigError, match=r"(podcast|audiobook)' is data.target_type and in"):
        load_settings(None, (one,))


def test_a_setting_by_its_name_of_yesterday_means_the_one_of_today() -> None:
    both = ("data.target_type=podcast", "data.auxiliary_type=audiobook")
    assert load_settings(None, both).data.context_types == ("audiobook",)
    weights = load_settings(None, ("features.signal_weights={stream: 1, follow: 0}",)).data.signals
    assert weights == {"stream": 1, "follow": 0}
    with pytest.raises(ConfigError, match="and both are set"):
        load_settings(None, (*both, "data.context_types=[audiobook]"))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("true", BASELINE_NAMES),
        ("all", BASELINE_NAMES),
        ("false", ()),
        ("none", ()),
        ("[]", ()),
        ("ALS", ("ALS",)),
        # In the order of the table, whatever that of the list.
        ("[popularity + ridge, EASE]", ("EASE", "popularity + ridge")),
        ("[-SASRec, -LightGCN]", tuple(set(BASELINE_NAMES) - {"SASRec", "LightGCN"})),
    ],
)
def test_baselines_are_all_none_some_or_all_but_some(given: str, names: tuple[str, ...]) -> None:
    settings = load_settings(None, (f"evaluation.baselines={given}",))
    chosen = chosen_baselines(settings.evaluation.baselines)
    assert chosen == tuple(name for name in BASELINE_NAMES if name in names)
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[EASEE]", "'EASE'"),
        ("sasrec", "'SASRec'"),
        ("[-LightGNC]", "'LightGCN'"),
        ("[EASE, -ALS]", "one or the other"),
        ("[3]", "3 is no baseline"),
    ],
)
def test_a_baseline_that_is_none_names_the_nearest(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.baselines") as raised:
        load_settings(None, (f"evaluation.baselines={given}",))
    assert said in str(raised.value)


def test_settings_of_yesterday_say_the_same_of_baselines() -> None:
    """A release's id holds its settings, so true and false stay what they were."""
    for word, value in (("true", True), ("all", True), ("false", False), ("none", False)):
        settings = load_settings(None, (f"evaluation.baselines={word}",))
        assert settings.model_dump(mode="json")["evaluation"]["baselines"] is value
