"""Structured logs to standard error: readable on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress

import structlog
from structlog.typing import EventDict, WrappedLogger

from colisten.json_files import to_json
from colisten.shown import plain, plain_lines
from colisten.variables import LOG_LEVEL
from colisten.words import known_word

LEVELS = ("debug", "info", "warning", "error", "critical")


def configure_logs(level: str | None = None) -> None:
    """Set up structlog once per process.

    Args:
        level: debug, info, warning or error; default `COLISTEN_LOG_LEVEL`, else info.

    Raises:
        ConfigError: The level is none of these.
    """
    name = level or os.environ.get(LOG_LEVEL) or "info"
    known_word(f"Log level ({LOG_LEVEL})", name.lower(), LEVELS)
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _one_line_each,
            structlog.dev.ConsoleRenderer()
            if terminal
            else structlog.processors.JSONRenderer(_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, name.upper())),
        # Looked up at every line: whoever replaces standard error gets what follows.
        logger_factory=lambda *_: structlog.PrintLogger(_Lenient()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


class _Lenient:
    """Standard error that never fails whoever logs.

    Where a log lies on a full disk, the line is lost; the thread that wrote it, often in the midst
    of saying what is wrong with the disk, must live on.
    """

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # full, or closed
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _line(event: object, **_: object) -> str:
    # A log line is written whatever it holds.
    return to_json(event, otherwise=repr)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger bound to a component's name."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(component=name)
    return bound


def _one_line_each(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Values as text on one line: none can forge a line, or be obeyed by a terminal.

    A traceback keeps its lines.
    """
    return {
        plain(name): plain_lines(value) if name == "exception" else _tame(value)
        for name, value in event.items()
    }


def _tame(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {plain(name): _tame(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_tame(one) for one in value]
    return plain(value)
