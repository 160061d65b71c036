"""A mapping: which files hold which table, and what their columns and values are called there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from colisten.data.contract import TABLES
from colisten.errors import ConfigError
from colisten.settings.section import Section
from colisten.words import nearest
from colisten.yaml_files import read_yaml

ENDINGS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".parquet", ".parq", ".pq"), "parquet"),
}
"""What a file is, by its ending; text may end in .gz or .zst after it."""

_PACKED = (".gz", ".zst")
_ADVICE = "docs/import.md shows what a mapping holds."


class TableMapping(Section):
    """Where the rows of one table come from. Names on the left are theirs, on the right ours."""

    file: tuple[str, ...] = Field(
        description="A file, a folder, or a pattern such as export/*.csv.gz; or a list of them."
    )
    columns: dict[str, str | None] = Field(
        {},
        description="Their column: ours; null where none is. Equal names need no line.",
    )
    values: dict[str, dict[str, str | None]] = Field(
        {}, description="By their column, their value: ours; null leaves rows with it out."
    )
    constants: dict[str, str] = Field(
        {}, description="Our column: one value for every row, where no column of theirs says it."
    )
    formats: dict[str, str] = Field(
        {}, description="By their column, how its times are written, as in strptime."
    )
    timezone: str | None = Field(None, description="Zone of times that name none.")
    nulls: tuple[str, ...] = Field(
        ("NULL", "\\N"), description="Texts that mean no value, beside the empty one."
    )
    separator: str = Field("|", min_length=1, description="Between the texts of one list.")
    delimiter: str | None = Field(None, description="Between columns of CSV; null: found out.")
    encoding: str = Field("utf-8", description="Of CSV: utf-8, utf-16 or latin-1.")

    @field_validator("file", "nulls", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("columns", "values", "constants", "formats", mode="before")
    @classmethod
    def _texts(cls, given: Any) -> Any:
        """Numbers and true or false, which YAML makes of what stands there, as the text it was."""
        if isinstance(given, dict):
            return {_text(name): cls._texts(value) for name, value in given.items()}
        return given if given is None else _text(given)

    def files(self) -> tuple[Path, ...]:
        """The files, sorted within each entry; an entry that names none adds none."""
        found: list[Path] = []
        for entry in self.file:
            found += _files(entry)
        return tuple(dict.fromkeys(found))


class Mapping(Section):
    """Every table's mapping; interactions are required, what else there is may be derived."""

    timezone: str | None = Field(None, description="Zone of times that name none, in every table.")
    items: TableMapping | None = None
    users: TableMapping | None = None
    music: TableMapping | None = None
    interactions: TableMapping
    links: TableMapping | None = None
    text_vectors: TableMapping | None = None
    popularity: TableMapping | None = None
    exposures: TableMapping | None = None

    def tables(self) -> dict[str, TableMapping]:
        """The mappings that are there, by table, in the order of the contract."""
        named = {table.name: getattr(self, table.name) for table in TABLES}
        return {name: each for name, each in named.items() if each is not None}

    def zone_of(self, table: TableMapping) -> str | None:
        """The zone of a table's times that name none; None where the mapping does not say."""
        return table.timezone or self.timezone


def read_mapping(file: Path) -> Mapping:
    """Read a YAML file; its paths are relative to the folder that it lies in.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds what a mapping does not.
    """
    return mapping_from(read_yaml(file, "mapping", _ADVICE), file.parent)


def mapping_from(tree: object, home: Path) -> Mapping:
    """Validate plain values.

    Args:
        tree: As YAML holds them.
        home: What relative paths are relative to.

    Raises:
        ConfigError: They are no mapping; the message names the nearest known word.
    """
    if not isinstance(tree, dict):
        raise ConfigError("A mapping is a mapping of tables.", _ADVICE)
    try:
        mapping = Mapping.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_first_fault(error), _ADVICE) from error
    placed = {
        name: table.model_copy(update={"file": tuple(str(home / each) for each in table.file)})
        for name, table in mapping.tables().items()
    }
    return mapping.model_copy(update=placed)


def kind_of(file: Path) -> str | None:
    """csv, json or parquet, by a file's ending; None for any other."""
    ending = file.suffix.casefold()
    if ending in _PACKED:
        kind = ENDINGS.get(file.with_suffix("").suffix.casefold())
        return None if kind == "parquet" else kind
    return ENDINGS.get(ending)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _files(entry: str) -> list[Path]:
    try:
        place = Path(entry)
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.is_file())
            return [path for path in inside if kind_of(path)]
        if place.exists():
            return [place]
        return sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor))))
    except (OSError, ValueError, NotImplementedError):  # too long, a NUL, no pattern
        return []


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        home = Mapping if len(first["loc"]) == 1 else TableMapping
        near = nearest(first["loc"][-1], list(home.model_fields))
        return f"A mapping has no '{where}'; the nearest known word is '{near}'."
    if first["type"] == "missing":
        return f"The mapping lacks '{where}'."
    return f"'{where}' of the mapping does not fit: {first['msg'].lower()}."
