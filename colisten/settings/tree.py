"""All settings, one frozen tree.

`Settings()` is a complete, working configuration. A YAML file and `--set section.name=value`
override parts of it; an unknown key is an error that names the nearest known one. The same
tree travels through the pipeline as one JSON string, so every step sees the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from colisten.errors import ConfigError, JsonError
from colisten.json_files import parse_json, to_json
from colisten.settings.cross_fitting import CrossFittingSettings
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.experiment import ExperimentSettings
from colisten.settings.index import IndexSettings
from colisten.settings.monitoring import MonitoringSettings
from colisten.settings.release import ReleaseSettings
from colisten.settings.secrets import SPELLED_OUT
from colisten.settings.section import Positive, Section
from colisten.settings.sections import (
    EvaluationSettings,
    FeatureSettings,
    GateSettings,
    GraphSettings,
    HGNNSettings,
    ServingSettings,
    TextSettings,
)
from colisten.settings.towers import TowerSettings
from colisten.settings.triton import TritonSettings
from colisten.words import advice, known_word, literal_words, nearest, shown
from colisten.yaml_files import parse_yaml, read_yaml

# The paper's recipe, as far as it says: plain means, uniform draws, margin loss, no skip, no
# popularity prior, no cross-fitting. What it leaves open (steps, text encoder) stays as it is.
PAPER: dict[str, Any] = {
    "graph": {"window_days": 90, "weights": "colisteners", "factors": 0},
    "hgnn": {
        "aggregation": "max",
        "weighted_neighbours": False,
        "weighted_edges": False,
        "residual": False,
        "loss": "margin",
        "batch_size": 256,
        "learning_rate": 1e-3,
        "validation": "random",
        "patience": 10,
        "max_steps": 1000,
    },
    "towers": {
        "linear_skip": False,
        "loss": "paper",
        "batch_size": 128,
        "epochs": 10,
        "min_steps": 0,
        "validation_share": 0.0,
        "dropout": 0.0,
        "cross_fit": False,
        "leave_one_out": 0.0,
        "cold_start_dropout": 0.0,
        "knn_term": False,
        "popularity_half_lives": [],
        "members": 1,
        "transfer": 0,
        "floor": False,
    },
    "features": {"half_life_days": 1e6},
    "data": {"signals": dict.fromkeys(DataSettings().signals, 1.0)},
}
PRESETS: dict[str, dict[str, Any]] = {"default": {}, "paper": PAPER}

# Settings by their name of yesterday. A file that says one, or a release's manifest, means the
# setting of today; both at once are an error.
RENAMED: dict[str, str] = {
    "features.signal_weights": "data.signals",
    "towers.cold_share": "towers.cold_start_dropout",
    "towers.least_steps": "towers.min_steps",
    "towers.echo": "towers.knn_term",
    "hgnn.folds": "cross_fitting.folds",
    "evaluation.rivals": "evaluation.baselines",
}


class Settings(Section):
    """The whole tree."""

    preset: Literal["default", "paper"] = Field(
        "default",
        description="Which defaults the settings start from. paper: the recipe of "
        "arXiv 2403.05185.",
    )
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    threads: Positive = Field(2, description="Threads of DuckDB and torch.")
    memory_limit: str = Field("4GB", description="DuckDB memory limit before it spills to disk.")
    cache_keep_days: Positive | None = Field(
        30,
        description="Days after which the next run removes finished steps that no run used since, "
        "with the users' rows in them; null: only what three newer runs did without.",
    )
    data: DataSettings = DataSettings()
    text: TextSettings = TextSettings()
    graph: GraphSettings = GraphSettings()
    hgnn: HGNNSettings = HGNNSettings()
    cross_fitting: CrossFittingSettings = CrossFittingSettings()
    towers: TowerSettings = TowerSettings()
    features: FeatureSettings = FeatureSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    index: IndexSettings = IndexSettings()
    gate: GateSettings = GateSettings()
    serving: ServingSettings = ServingSettings()
    triton: TritonSettings = TritonSettings()
    release: ReleaseSettings = ReleaseSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    monitoring: MonitoringSettings = MonitoringSettings()

    @property
    def engine(self) -> Engine:
        """How much of the machine a step may use."""
        return Engine(threads=self.threads, memory_limit=self.memory_limit)

    def to_json(self) -> str:
        """The tree as one JSON string, for a pipeline parameter or a manifest."""
        return to_json(self, finite=True)

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Read what `to_json` wrote; raises ConfigError where it is nothing of the kind."""
        try:
            tree = parse_json(text, name="The settings")
        except JsonError as error:
            raise ConfigError(str(error)) from error
        if not isinstance(tree, dict):
            raise ConfigError("The settings must be a JSON object of sections.")
        return settings_from(tree)


def load_settings(
    file: Path | None = None,
    overrides: tuple[str, ...] = (),
    *,
    data: DataSettings | None = None,
) -> Settings:
    """Defaults, then a YAML file, then `section.name=value` overrides.

    Args:
        file: YAML.
        overrides: Each sets one of them.
        data: What the section `data` says where neither sets it, such as that of a release.

    Raises:
        ConfigError: The file cannot be read, a key is unknown (the message names the nearest
            known one) or a value does not fit.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        tree = _read(file)
    for override in overrides:
        _apply(tree, override)
    tree = _renamed(tree)
    given = tree.get("data", {})
    if data is not None and isinstance(given, dict):
        tree["data"] = data.model_dump() | given
    return settings_from(tree)


def settings_from(tree: dict[str, Any]) -> Settings:
    """Validate a plain mapping into `Settings`; raises ConfigError as `load_settings` does."""
    try:
        return Settings.model_validate(_over_preset(_renamed(tree)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            section = isinstance(first["input"], dict) and len(first["loc"]) == 1
            known = SECTIONS if section else setting_names()
            raise ConfigError(
                f"Unknown {'section of settings' if section else 'setting'} '{where}'.",
                f"The nearest known one is '{nearest(where, known)}'.",
            ) from error
        if first["type"] == "model_type":
            raise ConfigError(
                f"'{where}' is a section of settings and cannot be {shown(first['input'])}.",
                f"Set what is in it, as in {where}.NAME=VALUE.",
            ) from error
        if first["type"] == "literal_error":
            # A key of a mapping ends in '[key]'.
            raise ConfigError(
                f"Setting '{where.removesuffix('.[key]')}' cannot be {shown(first['input'])}.",
                advice(first["input"], literal_words(first)),
            ) from error
        if first["type"] == SPELLED_OUT:
            raise ConfigError(
                f"Setting '{where}' spells out a secret, and settings end up in files and logs.",
                "Name the environment variable that holds it, as in password=${REDIS_PASSWORD}.",
            ) from None
        if first["type"] == "value_error":
            # Of a section as a whole: the sentence names its settings itself.
            raise ConfigError(f"{first['ctx']['error']}.", "See docs/settings.md.") from error
        raise ConfigError(
            f"Setting '{where}' does not fit: {first['msg'].lower()}.",
            "See docs/settings.md for what it takes.",
        ) from error


SECTIONS = [
    name for name, field in Settings.model_fields.items() if isinstance(field.default, Section)
]


def setting_names() -> list[str]:
    """Every setting as `section.name` (or `name` at the top), in order."""
    return [name for name, _, _ in settings_table()]


def settings_table() -> list[tuple[str, Any, str]]:
    """Every setting as (name, default, help): the source of docs/settings.md."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            for inner, setting in type(field.default).model_fields.items():
                rows.append((f"{name}.{inner}", setting.default, setting.description or ""))
        else:
            rows.append((name, field.default, field.description or ""))
    return rows


def _renamed(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with yesterday's names as today's; what it does not know is left for validation."""
    whole = {
        name: dict(value) if isinstance(value, dict) else value for name, value in tree.items()
    }

    def move(old: str, new: str, change: Callable[[Any], Any] = lambda value: value) -> None:
        section, name = old.split(".")
        home = whole.get(section)
        if new not in setting_names() or not isinstance(home, dict) or name not in home:
            return
        value = home.pop(name)
        if not home:
            del whole[section]
        section, name = new.split(".")
        there = whole.setdefault(section, {})
        if not isinstance(there, dict):
            return
        if name in there:
            raise ConfigError(
                f"'{old}' is today's '{new}', and both are set.", f"Leave '{old}' out."
            )
        there[name] = change(value)

    for old, new in RENAMED.items():
        move(old, new)
    # One type that helped is today any number of them.
    move("data.auxiliary_type", "data.context_types", lambda value: [value])
    return whole


def _over_preset(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree, with what it does not say taken from its preset."""
    whole = dict(tree)
    preset = known_word("Setting preset", tree.get("preset", "default"), tuple(PRESETS))
    for section, values in PRESETS[preset].items():
        given = whole.get(section, {})
        if isinstance(given, dict):
            whole[section] = values | given
    return whole


def _apply(tree: dict[str, Any], override: str) -> None:
    name, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"Override '{override}' has no '='.", "Write section.name=value.")
    *sections, leaf = name.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"Override of {shown(name)} goes below a value.")
    # Without the value, which may be a secret that somebody mistyped.
    tree[leaf] = parse_yaml(value, f"Override of {shown(name)}")


def _read(file: Path) -> dict[str, Any]:
    tree = read_yaml(file, "settings")
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"Settings {file} must be a mapping of sections.")
    return tree
