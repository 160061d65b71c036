"""Content types, signals and declared columns: what a stranger's tables hold, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from colisten.settings.section import Name, Section, Weight
from colisten.words import nearest

FilterKind = Literal["keyword", "keywords", "number", "moment"]
# Columns that the table contract names are of these kinds.
_CONTRACT_KINDS: dict[str, FilterKind] = {
    **dict.fromkeys(("item_type", "title", "description", "language"), "keyword"),
    "genres": "keywords",
    "published_at": "moment",
}
FeatureKind = Literal["category", "number"]


class DataSettings(Section):
    """Which content type is recommended, which ones help, and what users do."""

    target_type: Name = Field("audiobook", description="Item type that is recommended.")
    context_types: tuple[Name, ...] = Field(
        ("podcast",), description="Established item types that help; any number, also none."
    )
    signals: dict[Name, Weight] = Field(
        {"stream": 1.0, "follow": 0.7, "preview": 0.4, "intent_to_pay": 0.7},
        min_length=1,
        description="What users do to an item, each with its weight in a history mean.",
    )
    start_signals: tuple[Name, ...] = Field(
        ("stream",),
        min_length=1,
        description="Signals that count as a start: what is learned, recommended and measured.",
    )
    filterable: dict[Name, FilterKind] = Field(
        {},
        description="Columns of the items table that answers can be filtered by besides language, "
        "each with its kind: keyword, keywords (a list of text), number or moment.",
    )
    text_vectors: Name | None = Field(
        None,
        description="Column of the items table that holds text vectors of your own (a list of "
        "floats); null: text_vectors.parquet where there is one, else text.encoder makes them.",
    )
    user_features: dict[Name, FeatureKind] = Field(
        {},
        description="Columns of the users table, beside country and age, that the user tower "
        "reads: category (text) or number.",
    )

    @property
    def user_categories(self) -> tuple[str, ...]:
        """The further columns of the users table that hold texts, in order."""
        return tuple(name for name, kind in self.user_features.items() if kind == "category")

    @property
    def user_numbers(self) -> tuple[str, ...]:
        """The further columns of the users table that hold numbers, in order."""
        return tuple(name for name, kind in self.user_features.items() if kind == "number")

    @property
    def item_types(self) -> tuple[str, ...]:
        """Every item type, in the order of the catalogue: by name."""
        return tuple(sorted({self.target_type, *self.context_types}))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The signals, in the order of their codes."""
        return tuple(self.signals)

    @property
    def filter_columns(self) -> dict[str, FilterKind]:
        """Every column that answers can be filtered by, with its kind."""
        return {"language": "keyword", **self.filterable}

    @property
    def start_codes(self) -> tuple[int, ...]:
        """Codes of the signals that count as a start: positions in `signal_names`."""
        return tuple(self.signal_names.index(name) for name in self.start_signals)

    @model_validator(mode="after")
    def _names_fit(self) -> DataSettings:
        for what, names in (
            ("data.context_types", self.context_types),
            ("data.start_signals", self.start_signals),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} names one twice")
        if self.target_type in self.context_types:
            raise ValueError(
                f"{self.target_type!r} is data.target_type and in data.context_types too"
            )
        if self.text_vectors in {*_CONTRACT_KINDS, *self.filterable, "item_id"}:
            raise ValueError(
                f"data.text_vectors names {self.text_vectors!r}, which holds no vectors"
            )
        if "item_id" in self.filterable:
            raise ValueError("data.filterable names 'item_id', which is excluded by in any case")
        for name, kind in self.filterable.items():
            if kind != _CONTRACT_KINDS.get(name, kind):
                known = _CONTRACT_KINDS[name]
                raise ValueError(f"data.filterable calls {name!r} {kind!r}; it is {known!r}")
        if clash := {"user_id", "country", "age"} & self.user_features.keys():
            raise ValueError(f"data.user_features names {min(clash)!r}, which is read in any case")
        if lost := [name for name in self.start_signals if name not in self.signals]:
            raise ValueError(
                f"data.start_signals names {lost[0]!r}, which data.signals does not have; the "
                f"nearest is {nearest(lost[0], self.signals)!r}"
            )
        return self
