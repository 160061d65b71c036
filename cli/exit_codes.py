"""What exit codes mean: the table of docs/exit.md and of every `--help`."""

from __future__ import annotations

from typing import NamedTuple


class ExitCode(NamedTuple):
    """One line of the table."""

    code: str
    meaning: str
    advice: str


EXIT_CODES = (
    ExitCode("0", "Done.", "Nothing."),
    ExitCode(
        "1",
        "The work failed: a step, a check of a release or of an experiment, an alert, the disk.",
        "Read the last line on standard error; once mended, the same command goes on.",
    ),
    ExitCode(
        "2",
        "What the caller gave is at fault: options, tables, settings, an id.",
        "Correct what the message names; nothing was written.",
    ),
    ExitCode(
        "129, 130, 143",
        "SIGHUP, SIGINT (Ctrl-C) or SIGTERM ended it: 128 and the signal's number.",
        "Run the same command again: finished steps are not repeated.",
    ),
)
EPILOG = "Exit codes: 0 done, 1 the work failed, 2 your input is at fault, 128 + N signal N."


def exit_table() -> str:
    """The table as Markdown."""
    rows = [f"| {each.code} | {each.meaning} | {each.advice} |" for each in EXIT_CODES]
    return "\n".join(["| code | meaning | what to do |", "|---|---|---|", *rows])
