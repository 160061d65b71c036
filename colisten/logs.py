"""Structured logs to standard error: readable on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys

import structlog

from colisten.json_files import to_json
from colisten.words import known_word

LEVELS = ("debug", "info", "warning", "error", "critical")


def configure_logs(level: str | None = None) -> None:
    """Set up structlog once per process.

    Args:
        level: debug, info, warning or error; default `COLISTEN_LOG_LEVEL`, else info.

    Raises:
        ConfigError: The level is none of these.
    """
    name = level or os.environ.get("COLISTEN_LOG_LEVEL") or "info"
    known_word("Log level (COLISTEN_LOG_LEVEL)", name.lower(), LEVELS)
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer()
            if terminal
            else structlog.processors.JSONRenderer(_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, name.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _line(event: object, **_: object) -> str:
    # A log line is written whatever it holds.
    return to_json(event, otherwise=repr)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger bound to a component's name."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(component=name)
    return bound
