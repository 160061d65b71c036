"""Whose turn it is to change rows of the online store, among threads and worker processes.

A turn is a piece of work that reads rows of one user and writes them; no two turns of one user
overlap, whoever takes them.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from colisten.errors import FeatureError, UserBusy, UserUnreadable
from colisten.extras import needs

PATIENCE_SECONDS = 1.5
"""How long a turn is waited for: within the service's budget of a push."""
LOCK_SECONDS = 10.0
"""How long a user's lock in Redis outlives a holder that died; longer than any turn takes."""

_LOOK_SECONDS = 0.002
_AGAIN = "Send it again."

StillMine = Callable[[], None]
Work = Callable[[StillMine], bool]


class RowTurns(Protocol):
    """Takes turns at users' rows."""

    def take(self, user_id: str, work: Work) -> bool:
        """Do some work on a user's rows while nobody else changes them.

        Args:
            user_id: Whose rows.
            work: Is given what to call before it writes: that raises where the turn is over.

        Raises:
            UserBusy: The turns of others at this user's rows went on all the while.
            FeatureError: The store is out of reach, or what `work` raises.
        """


class _Connection(sqlite3.Connection):
    """Feast commits each view that it writes; a turn is one transaction, and commits by itself."""

    def __exit__(self, *error: object) -> Any:
        return False


class SqliteTurns:
    """All that waits in a process is one transaction, which takes the write lock before it reads.

    A file has one writer at a time, and most of a turn is the wait for the disk: so the turns of a
    process share it.

    Args:
        online_store: Feast's, which nobody else may read by.
        config: Feast's configuration.
    """

    def __init__(self, online_store: Any, config: Any) -> None:
        self._online_store = online_store
        self._file = Path(online_store._get_db_path(config))
        self._opened: tuple[int, int] | None = None
        self._waiting: deque[tuple[Work, Future[bool]]] = deque()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="online-writer")

    def take(self, user_id: str, work: Work) -> bool:
        """See `RowTurns`; the user's turn is everybody's."""
        mine: Future[bool] = Future()
        self._waiting.append((work, mine))
        self._writer.submit(self._take_waiting)
        try:
            return mine.result(PATIENCE_SECONDS)
        except FutureTimeout as error:
            # What is being written by now is waited for no longer, and may yet be stored.
            mine.cancel()
            raise FeatureError("The online store is busy with other events.", _AGAIN) from error

    def _take_waiting(self) -> None:
        turns = []
        while self._waiting:
            work, turn = self._waiting.popleft()
            if turn.set_running_or_notify_cancel():
                turns.append((work, turn))
        if not turns:
            return  # those before took them
        outcomes: list[bool | UserUnreadable] = []
        try:
            with self._transaction():
                for work, _ in turns:
                    outcomes.append(_outcome(work))
        except Exception as error:
            for _, turn in turns:
                turn.set_exception(error)
            return
        for (_, turn), outcome in zip(turns, outcomes, strict=True):
            if isinstance(outcome, bool):
                turn.set_result(outcome)
            else:
                turn.set_exception(outcome)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        connection = self._begin()
        try:
            yield
            connection.commit()  # waits for readers
        finally:
            connection.rollback()

    def _begin(self) -> sqlite3.Connection:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            connection = self._connected()
            try:
                # SQLite itself would look less and less often.
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE_SECONDS * 1000)}")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
                continue
            if self._opened == self._identity():
                return connection
            connection.rollback()

    def _connected(self) -> sqlite3.Connection:
        """A connection to the file that lies there now: a rebuild puts another in its place."""
        now = self._identity()
        held: sqlite3.Connection | None = self._online_store._conn
        if held is not None and now == self._opened:
            return held
        if held is not None:
            held.close()
        self._opened = now
        connection = sqlite3.connect(
            self._file,
            factory=_Connection,
            detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
            check_same_thread=False,
        )
        self._online_store._conn = connection
        return connection

    def _identity(self) -> tuple[int, int]:
        status = self._file.stat()
        return status.st_dev, status.st_ino


class RedisTurns:
    """A lock a user in Redis, which ends by itself where its holder dies.

    Args:
        online_store: Feast's.
        config: Feast's configuration.
    """

    def __init__(self, online_store: Any, config: Any) -> None:
        self._online_store = online_store
        self._config = config

    def take(self, user_id: str, work: Work) -> bool:
        """See `RowTurns`."""
        needs("redis")
        from redis.exceptions import LockNotOwnedError

        lock = self._online_store._get_client(self._config.online_store).lock(
            writing_lock(self._config.project, user_id),
            timeout=LOCK_SECONDS,
            blocking_timeout=PATIENCE_SECONDS,
            sleep=_LOOK_SECONDS,
        )
        late = UserBusy("The event took too long to store.", _AGAIN)

        def still_mine() -> None:
            if not lock.owned():
                raise late

        if not lock.acquire():
            raise UserBusy("Other events of this user are being stored.", _AGAIN)
        try:
            return work(still_mine)
        finally:
            try:
                lock.release()
            except LockNotOwnedError as error:
                raise late from error


def writing_lock(project: str, user_id: str) -> str:
    """The key in Redis of whoever writes a user's rows of a key space."""
    return f"{project}:writing:{user_id}"


def _outcome(work: Work) -> bool | UserUnreadable:
    """What became of one turn; whatever is not this user's trouble ends the transaction."""
    try:
        return work(lambda: None)
    except UserUnreadable as error:
        return error
