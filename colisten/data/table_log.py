"""Tables that grow while they are read: rows appended to files of Arrow record batches.

A file is an Arrow IPC stream, `*.arrows`. Rows are added by one write that is then synced, so a
process that is killed leaves whole batches and at most one torn tail, which reading leaves out. A
write that fails is taken back: what follows it can be read.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from colisten.errors import FileError
from colisten.files import write_aside
from colisten.logs import logger

ENDING = ".arrows"
_DAY = 24 * 3600.0
_END = b"\xff\xff\xff\xff\0\0\0\0"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")
_log = logger("data.table_log")


class TableLog:
    """Appends rows to a table in files of its own, begun anew when they are large or a day old.

    Any number of processes may write to one folder. Not safe to share between threads.

    Args:
        folder: Where the files lie; made with the first row.
        schema: Columns; no dictionaries.
        part_bytes: Size from which the next rows go to another file.
        keep_days: Files not written to for so long are removed; None keeps them.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, *, part_bytes: int, keep_days: float | None = None
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._head = len(_head(schema))
        self._part_bytes = part_bytes
        self._keep_days = keep_days
        self._file: io.FileIO | None = None
        self._size = 0
        self._begun = 0.0

    def append(self, rows: pa.Table) -> None:
        """Add rows; they are on the disk when it returns.

        Raises:
            OSError: They could not be written; none of them is there.
        """
        file = self._open()
        content = _encoded(rows, self._schema)
        try:
            self._write(file, content[self._head if self._size else 0 :])
        except OSError:
            self._take_back(file)
            raise

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> io.FileIO:
        if self._file is not None and (
            self._size >= self._part_bytes or time.monotonic() - self._begun >= _DAY
        ):
            self.close()
        if self._file is not None and not os.fstat(self._file.fileno()).st_nlink:
            self.close()  # somebody removed it: what is written there nobody will read
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:8]}{ENDING}"
            self._file = io.FileIO(self._folder / name, "xb")
            self._size, self._begun = 0, time.monotonic()
        return self._file

    def _write(self, file: io.FileIO, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
        self._size += len(content)

    def _take_back(self, file: io.FileIO) -> None:
        try:
            file.truncate(self._size)
            file.seek(self._size)
        except OSError:
            self.close()  # a torn tail, and nothing behind it

    def _sweep(self) -> None:
        if self._keep_days is None:
            return
        oldest = time.time() - self._keep_days * _DAY
        for path in self._folder.glob(f"*{ENDING}"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except OSError as error:
                _log.warning("log_not_removed", file=str(path), error=str(error))


def logged(folder: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of every file of a folder, in batches; none where there is no folder.

    A file of a version that knew only the first of these columns has nulls in the others.

    Raises:
        FileError: A file has other columns.
        OSError: A file cannot be read.
    """
    for file in sorted(folder.glob(f"*{ENDING}")):
        with file.open("rb") as source:
            yield from _whole(source, file, schema)


def count_rows(file: Path, column: str, value: str) -> int:
    """Rows of one file that have a value in a column of texts; none where it has no such column.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as source:
        batches = list(_all(source))
    return _count(batches) - _count([_others(rows, column, value) for rows in batches])


def drop_rows(file: Path, column: str, value: str) -> int:
    """Rewrite one file without those rows, whole or not at all; returns how many went.

    Whoever is writing to it goes on in another file (see `TableLog`). What they still wrote to
    this one meanwhile is kept in a file beside it. A torn tail is left out.

    Raises:
        OSError: It cannot be read or written.
    """
    with file.open("rb") as source:
        batches = list(_all(source))
        dropped = _replace(file, batches, column, value)
        if not dropped:
            return 0
        source.seek(0)
        late = list(_all(source))[len(batches) :]
    if late:
        dropped += _replace(file.with_name(f"{file.stem}-late{ENDING}"), late, column, value)
    return dropped


def _replace(file: Path, batches: list[pa.RecordBatch], column: str, value: str) -> int:
    """Write batches as a file where they hold rows that go, or where there is no such file."""
    kept = [_others(rows, column, value) for rows in batches]
    dropped = _count(batches) - _count(kept)
    if dropped or not file.exists():
        written = file.stat() if file.exists() else None
        with write_aside(file) as aside:
            with pa.ipc.new_stream(str(aside), batches[0].schema, options=_OPTIONS) as writer:
                for rows in kept:
                    if rows.num_rows:
                        writer.write_batch(rows)
            if written is not None:  # so old that it is swept when it was due
                os.utime(aside, ns=(written.st_atime_ns, written.st_mtime_ns))
    return dropped


def _count(batches: list[pa.RecordBatch]) -> int:
    return sum(int(rows.num_rows) for rows in batches)


def _others(rows: pa.RecordBatch, column: str, value: str) -> pa.RecordBatch:
    if column not in rows.schema.names:
        return rows
    theirs = pc.fill_null(pc.equal(rows.column(column).cast(pa.string()), value), False)
    return rows.filter(pc.invert(theirs))


def _all(source: io.BufferedReader) -> Iterator[pa.RecordBatch]:
    """The batches of a file, whatever its columns."""
    try:
        schema = pa.ipc.open_stream(source).schema
    except (pa.ArrowException, OSError, EOFError):
        return
    source.seek(0)
    yield from _whole(source, Path(source.name), schema)


def _whole(source: io.BufferedReader, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches of a file up to where its writer was ended."""
    try:
        stream = pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError, EOFError):
        _torn(file, 0)
        return
    known = list(schema)[: len(stream.schema)]
    if not stream.schema.equals(pa.schema(known)):
        raise FileError(
            f"{file} has the columns {', '.join(stream.schema.names)}, not "
            f"{', '.join(schema.names)}.",
            "Move it elsewhere: another version wrote it.",
        )
    read = source.tell()
    while True:
        try:
            batch = stream.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError, EOFError):
            _torn(file, read)
            return
        read = source.tell()
        for field in list(schema)[len(known) :]:
            batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
        yield batch


def _torn(file: Path, read: int) -> None:
    left = file.stat().st_size - read
    if left:
        _log.warning("log_torn", file=str(file), bytes_left_out=left)


def _head(schema: pa.Schema) -> bytes:
    """What a stream says of its columns before the first batch."""
    stream = io.BytesIO()
    pa.ipc.new_stream(stream, schema, options=_OPTIONS).close()
    return stream.getvalue()[: -len(_END)]


def _encoded(rows: pa.Table, schema: pa.Schema) -> bytes:
    """A stream of rows, without its end: more can follow."""
    stream = io.BytesIO()
    writer = pa.ipc.new_stream(stream, schema, options=_OPTIONS)
    writer.write_table(rows.select(schema.names).cast(schema))
    return stream.getvalue()
