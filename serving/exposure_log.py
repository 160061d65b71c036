"""What was shown and done while a worker answered, written down beside the answers.

An answer puts what it showed into a queue in memory and goes; a thread writes the queue to the log
of the experiment (`colisten.experiments.plan`) every so often. Where the disk does not take it the
queue grows to its bound, and what does not fit is lost and counted. A worker that is killed loses
what it had in the queue: at most one interval, as long as the disk keeps up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from colisten.data.contract import EXPOSURES as EXPOSURES_TABLE
from colisten.data.contract import INTERACTIONS
from colisten.data.table_log import TableLog
from colisten.experiments.plan import DONE, SHOWN, ExperimentPlan
from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.answers import LogInfo, Shelf
from colisten.serving.parts import EXPOSURES, Parts
from colisten.serving.quality import Quality
from colisten.serving.requests import EventRequest
from colisten.settings.sections import ServingSettings

_MB = 1 << 20
_BATCH_BYTES = 4 * _MB
_ROW_BYTES = 150  # of a row beside the user's id, roughly, in memory
_STARTING_SECONDS, _CLOSING_SECONDS = 1.0, 10.0
_log = logger("serving.exposure_log")

Entry = tuple[Any, ...]


class LogQueue:
    """A bounded queue before one table.

    Args:
        name: Of the table.
        log: The table.
        rows: Makes rows of entries.
        most_bytes: How much may wait.
    """

    def __init__(
        self,
        name: str,
        log: TableLog,
        rows: Callable[[Sequence[Entry]], pa.Table],
        most_bytes: int,
    ) -> None:
        self._log = log
        self._rows = rows
        self._most = most_bytes
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, Entry]] = deque()
        self._bytes = 0
        self._count = dict.fromkeys(("taken", "written", "lost"), 0)
        self._metrics = {one: metrics.LOGGED.labels(name, one) for one in self._count}

    def put(self, entry: Entry, size: int) -> None:
        """Take an entry, or lose it where no more fits; never waits for the disk."""
        with self._lock:
            fits = self._bytes + size <= self._most
            if fits:
                self._waiting.append((size, entry))
                self._bytes += size
            self._count["taken"] += 1
            self._count["lost"] += not fits
        self._metrics["taken"].inc()
        if not fits:
            self._metrics["lost"].inc()

    def flush(self) -> None:
        """Write what waits; only one thread may.

        Raises:
            OSError: The disk does not take it; it goes on waiting.
        """
        while batch := self._first():
            outcome = "written"
            try:
                self._log.append(self._rows([entry for _, entry in batch]))
            except OSError:
                raise
            except Exception:
                # A fault of ours that would be there the next time as well.
                outcome = "lost"
                _log.exception("log_entries_lost", entries=len(batch))
            with self._lock:
                for size, _ in batch:
                    self._waiting.popleft()
                    self._bytes -= size
                self._count[outcome] += len(batch)
            self._metrics[outcome].inc(len(batch))

    def close(self) -> None:
        """End the file; what still waits is lost."""
        self._log.close()
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
            self._count["lost"] += left
        self._metrics["lost"].inc(left)

    def info(self) -> LogInfo:
        """How many entries were taken, written and lost, and how many wait."""
        with self._lock:
            return LogInfo(**self._count, waiting=len(self._waiting))

    def _first(self) -> list[tuple[int, Entry]]:
        """The oldest entries, as many as make a batch."""
        batch: list[tuple[int, Entry]] = []
        size = 0
        with self._lock:
            for one in self._waiting:
                if batch and size + one[0] > _BATCH_BYTES:
                    break
                batch.append(one)
                size += one[0]
        return batch


class ExposureLog:
    """Writes down what one worker shows, and the events that it accepts.

    Args:
        out: The output folder.
        plan: Of the experiment.
        serving: Interval and bounds.
        parts: Where it notes whether it can write.
    """

    def __init__(
        self, out: Path, plan: ExperimentPlan, serving: ServingSettings, parts: Parts
    ) -> None:
        self._plan = plan
        self._folder = plan.folder(out)
        self._parts = parts
        self._seconds = serving.exposures_flush_seconds

        def queue(
            name: str, schema: pa.Schema, rows: Callable[[Sequence[Entry]], pa.Table]
        ) -> LogQueue:
            log = TableLog(
                self._folder / name,
                schema,
                part_bytes=serving.exposures_part_mb * _MB,
                keep_days=serving.exposures_keep_days,
            )
            return LogQueue(name, log, rows, serving.exposures_waiting_mb * _MB // 2)

        self._shown = queue(EXPOSURES_TABLE.name, SHOWN, _shown_rows)
        self._done = queue(INTERACTIONS.name, DONE, _done_rows)
        self._looked, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="write-exposures", daemon=True)

    def start(self) -> None:
        """Begin to write; a disk that does not answer is not waited for."""
        self._thread.start()
        self._looked.wait(_STARTING_SECONDS)

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING_SECONDS)  # a disk may hold it longer
        if not self._thread.is_alive():
            self._shown.close()
            self._done.close()

    def shown(self, shelf: Shelf, surface: str | None, worth: Quality) -> None:
        """Note a shelf that is about to be answered; without titles it is a row without an item."""
        items = [item.item_id for item in shelf.items]
        user = shelf.user_id
        if user is None:
            return
        entry = (
            shelf.request_id,
            user,
            shelf.arm,
            shelf.release_id,
            surface,
            items,
            datetime.now(UTC),
            worth,
        )
        self._shown.put(entry, max(1, len(items)) * (_ROW_BYTES + len(user.encode())))

    def done(self, event: EventRequest) -> None:
        """Note an event that was stored."""
        entry = tuple(getattr(event, name) for name in DONE.names)
        texts = (event.user_id, event.item_id, event.recommendation_id or "")
        self._done.put(entry, _ROW_BYTES + sum(len(text.encode()) for text in texts))

    def flush(self) -> None:
        """Write what waits now, and note whether that went well."""
        try:
            self._plan.write(self._folder)
            self._shown.flush()
            self._done.flush()
        except OSError as error:
            self._parts.ill(EXPOSURES, "exposures_unwritten", f"{self._folder}: {error}.")
        else:
            self._parts.well(EXPOSURES)

    def info(self) -> dict[str, LogInfo]:
        """By table what became of its entries."""
        return {EXPOSURES_TABLE.name: self._shown.info(), INTERACTIONS.name: self._done.info()}

    def _go_on(self) -> None:
        ended = False
        while True:
            try:
                self.flush()
            except Exception:
                # Whatever it was, the thread must live on: without it all is lost.
                _log.exception("exposures_failed")
            self._looked.set()
            if ended:
                return
            ended = self._ended.wait(self._seconds)


def _shown_rows(entries: Sequence[Entry]) -> pa.Table:
    """One row per item shown, and one of a shelf without any."""
    columns: dict[str, list[Any]] = {name: [] for name in SHOWN.names}
    for request_id, user, arm, release_id, surface, items, moment, worth in entries:
        count = max(1, len(items))
        columns["request_id"] += [request_id] * count
        columns["user_id"] += [user] * count
        columns["variant"] += [arm] * count
        columns["release_id"] += [release_id] * count
        columns["surface"] += [surface] * count
        columns["item_id"] += items or [None]
        columns["position"] += range(1, count + 1) if items else [None]
        columns["timestamp"] += [moment] * count
        columns["quality"] += [worth] * count
    return pa.table(columns, schema=SHOWN)


def _done_rows(entries: Sequence[Entry]) -> pa.Table:
    """One row per event."""
    return pa.Table.from_arrays(
        [
            pa.array(column, field.type)
            for column, field in zip(zip(*entries, strict=True), DONE, strict=True)
        ],
        schema=DONE,
    )
