"""Tables that lie as many files, made one file each: as data teams have them.

    interactions/date=2025-06-01/part-0.parquet
    interactions/date=2025-06-02/part-0.parquet     ->  interactions.parquet

A folder named like a table, with or without `.parquet`, is that table, with all parquet files
below it in the order of their names. What a file holds is what it says: a part of its path such as
`date=2025-06-01` becomes a column only where that file has none of the name, as where Spark's
`partitionBy` took it out. Names that begin with `_` or `.` are nobody's rows, as Spark and Hive
have it. A table format whose files are not all of them rows (Delta, Iceberg, Hudi) is refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import unquote

import pyarrow as pa

from colisten.data import parquet
from colisten.data.contract import TABLES, Table
from colisten.data.table_files import means
from colisten.errors import TableError
from colisten.files import located
from colisten.logs import logger
from colisten.progress import track
from colisten.store.address import SCHEME, is_store

_ROWS = 1 << 17
"""Of a row group of what is written: small parts are put together."""
_ENDING = ".parquet"
_FORMATS = {"_delta_log": "a Delta", ".hoodie": "a Hudi"}
_ICEBERG = ".metadata.json"
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"

Call = TypeVar("Call", bound=Callable[..., Any])

log = logger("data.gather")


def over_tables(call: Call) -> Call:
    """Let a function that takes a folder `data` take tables that lie as many files, too."""
    parameters = signature(call)

    @wraps(call)
    def gathering(*given: Any, **named: Any) -> Any:
        bound = parameters.bind(*given, **named)
        with gathered(Path(bound.arguments["data"])) as folder:
            bound.arguments["data"] = folder
            return call(*bound.args, **bound.kwargs)

    return cast(Call, gathering)


class Place(Protocol):
    """Where tables lie: a folder, or a prefix of a bucket."""

    def names(self) -> list[PurePosixPath]:
        """Every file below it, as a path relative to it."""

    def fetched(self, name: PurePosixPath, work: Path) -> Path:
        """A local file with the content of one; a new one lies in `work`."""

    def __str__(self) -> str:
        """What to call it."""


@dataclass(frozen=True)
class FolderPlace:
    """A folder of this machine."""

    folder: Path

    def names(self) -> list[PurePosixPath]:
        """Every file of what may be a table, behind links too; a link to nothing is one."""
        tops = (path for path in self.folder.iterdir() if _may_be_one(path.name))
        found = (file for top in tops for file in _files(top, frozenset()))
        return [PurePosixPath(file.relative_to(self.folder).as_posix()) for file in found]

    def fetched(self, name: PurePosixPath, work: Path) -> Path:
        """The file itself."""
        return self.folder / name

    def __str__(self) -> str:
        return str(self.folder)


@contextmanager
def gathered(folder: Path) -> Iterator[Path]:
    """A folder with one file a table: this one, or a copy that goes with the block.

    Args:
        folder: Of contract tables, each a file or a folder of parts; or s3://bucket/prefix, which
            holds the same, as a path.

    Raises:
        TableError: A part cannot be read, does not fit the others, or belongs to a table format.
        StoreError: The bucket is out of reach, or is none.
        ConfigError: It is no address, or the client of S3 is not installed.
        OSError: There is no room for the copy (TMPDIR says where).
    """
    address = place_text(folder)
    if not is_store(address) and not any((folder / name).is_dir() for name in _folders()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="colisten-tables-") as work:
        place: Place = FolderPlace(folder)
        if is_store(address):
            from colisten.store.tables import BucketPlace

            place = BucketPlace.at(address)
        yield gather(place, Path(work))


def place_text(folder: Path) -> str:
    """Where tables lie, as whoever works elsewhere is told it: a whole path, or s3://bucket/prefix.

    A path holds no two slashes in a row: that of an address has lost one.
    """
    kind, _, rest = folder.as_posix().partition(":/")
    return f"{SCHEME}{rest.lstrip('/')}" if f"{kind}://" == SCHEME else str(located(folder))


def gather(place: Place, out: Path) -> Path:
    """Write every table of a place as one file into a folder, and return it.

    A table that is one file already is taken as it is, whatever it holds.

    Args:
        place: Where the tables lie.
        out: A folder that nobody else uses; nothing is left in it where this fails.

    Raises:
        TableError: As `gathered`; or a table lies there both ways.
    """
    names = sorted(place.names())
    _check_format(names, place)
    with tempfile.TemporaryDirectory(prefix=".parts-", dir=out) as work:
        for table in TABLES:
            parts = _parts(table, names, place)
            if parts:
                _write(table, parts, place, out / table.file_name, Path(work))
        # The rest as it is, so that a name that is nearly a table's is noticed as ever.
        for top, name in {name.parts[0]: name for name in names if not _hidden(name)}.items():
            if (out / top).exists() or not _may_be_one(top):
                continue
            if len(name.parts) > 1:
                (out / top).mkdir()
            elif (file := place.fetched(name, out)) != out / top:
                (out / top).symlink_to(file.absolute())
    return out


def _files(path: Path, above: frozenset[Path]) -> Iterator[Path]:
    """A file, or all below a folder; a link to a folder that it lies in is not gone into again."""
    if not path.is_dir():
        yield path
    elif (place := path.resolve()) not in above:
        for inside in path.iterdir():
            yield from _files(inside, above | {place})


def _folders() -> list[str]:
    return [name for table in TABLES for name in (table.name, table.file_name)]


def _may_be_one(name: str) -> bool:
    """Whether a file or folder is called as a table is, or nearly."""
    return name in _folders() or any(means(Path(name), table) for table in TABLES)


def _parts(table: Table, names: Sequence[PurePosixPath], place: Place) -> list[PurePosixPath]:
    """The files of a table that lies as a folder, by name; none of one that is a file."""
    found = {
        top: [name for name in names if name.parts[0] == top and len(name.parts) > 1]
        for top in (table.name, table.file_name)
    }
    lies = [top for top, inside in found.items() if any(not _hidden(name) for name in inside)]
    if PurePosixPath(table.file_name) in names:
        lies.append(f"the file {table.file_name}")
    if len(lies) > 1:
        raise TableError(
            f"{table.name}: {' and '.join(lies)} lie in {place}, and each may be meant.",
            "Move one of them elsewhere.",
        )
    parts = [name for inside in found.values() for name in inside if not _hidden(name)]
    for name in parts:
        if name.suffix.casefold() != _ENDING:
            raise TableError(
                f"{table.name}: {place}/{name} is not named as a parquet file.",
                f"Name it {name.name}{_ENDING} if it is one; move it elsewhere if it is not.",
            )
    return parts


def _hidden(name: PurePosixPath) -> bool:
    return any(part[0] in "_." and "=" not in part for part in name.parts)


def _check_format(names: Sequence[PurePosixPath], place: Place) -> None:
    """Refuse tables of whose files some hold what was deleted since."""
    for name in names:
        kinds = [kind for part in name.parts[1:] if (kind := _FORMATS.get(part))]
        if "metadata" in name.parts[1:-1] and name.name.endswith(_ICEBERG):
            kinds.append("an Iceberg")
        if kinds and name.parts[0] in _folders():
            raise TableError(
                f"{place}/{name.parts[0]} is {kinds[0]} table: not all of its files are its rows.",
                "Export its current snapshot as plain parquet files.",
            )


@dataclass(frozen=True)
class _Part:
    """One file of a table, and what its path says."""

    name: PurePosixPath
    path: dict[str, str | None]
    schema: pa.Schema

    @property
    def of_path(self) -> dict[str, str | None]:
        """Columns that the file lacks and its path has."""
        return {key: text for key, text in self.path.items() if key not in self.schema.names}

    @property
    def full_schema(self) -> pa.Schema:
        """Of the file, then of its path."""
        of_path = (pa.field(key, pa.string()) for key in self.of_path)
        return pa.schema([*(field.with_nullable(True) for field in self.schema), *of_path])


def _write(
    table: Table, names: Sequence[PurePosixPath], place: Place, file: Path, work: Path
) -> None:
    """All parts of a table as one file."""
    parts = []
    for name in track(names, f"Looking at {table.name}"):
        with _read(table, name, place, work) as opened:
            part = _Part(name, _of_path(name), opened.schema_arrow.remove_metadata())
            columns = part.schema.names
            if len(set(columns)) < len(columns):
                raise TableError(
                    f"{table.name}: a column of {place}/{name} occurs twice.",
                    "Write that file again, each column once.",
                )
            parts.append(part)
    schema = _common(table, parts, place)
    held: list[pa.Table] = []
    with parquet.writer(file, schema) as writer:
        for part in track(parts, f"Gathering {table.name}"):
            with _read(table, part.name, place, work) as opened:
                for batch in opened.iter_batches(_ROWS):
                    rows = pa.Table.from_batches([batch]).replace_schema_metadata()
                    held.append(_as(rows, part.of_path, schema))
                    if sum(map(len, held)) >= _ROWS:
                        writer.write_table(pa.concat_tables(held))
                        held = []
            if (file_of := place.fetched(part.name, work)).is_relative_to(work):
                file_of.unlink()  # what was fetched need not lie beside what it became
        writer.write_table(pa.concat_tables(held) if held else schema.empty_table())
    log.info("table gathered", table=table.name, files=len(parts), place=str(place))


@contextmanager
def _read(
    table: Table, name: PurePosixPath, place: Place, work: Path
) -> Iterator[parquet.OpenFile]:
    """One part, open; what was fetched for it is there until the table is whole."""
    try:
        with parquet.opened(place.fetched(name, work)) as opened:
            yield opened
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            f"{table.name}: {place}/{name} cannot be read as parquet ({error}).",
            "Write that file again.",
        ) from error


def _of_path(name: PurePosixPath) -> dict[str, str | None]:
    """Columns of the folders that a part lies in, as Hive and Spark spell them."""
    pairs = (part.partition("=") for part in name.parts[1:-1] if "=" in part)
    return {unquote(key): None if text == _HIVE_NULL else unquote(text) for key, _, text in pairs}


def _common(table: Table, parts: Sequence[_Part], place: Place) -> pa.Schema:
    """The columns of all parts; a wider type where they differ in width alone."""
    schema = parts[0].full_schema
    for part in parts[1:]:
        try:
            schema = pa.unify_schemas([schema, part.full_schema], promote_options="permissive")
        except pa.ArrowException as error:
            raise TableError(
                f"{table.name}: {place}/{part.name} does not fit the files before it: {error}.",
                "Write its columns with the types that the others have.",
            ) from error
    return schema


def _as(rows: pa.Table, of_path: Mapping[str, str | None], schema: pa.Schema) -> pa.Table:
    """Rows with all columns of a schema, in its order."""
    columns = []
    for field in schema:
        if field.name in rows.column_names:
            columns.append(rows.column(field.name).cast(field.type))
        elif of_path.get(field.name) is not None:
            value = pa.scalar(of_path[field.name], pa.string()).cast(field.type)
            columns.append(pa.chunked_array([pa.repeat(value, len(rows))]))
        else:
            columns.append(pa.chunked_array([pa.nulls(len(rows), field.type)]))
    return pa.Table.from_arrays(columns, schema=schema)
