"""`colisten explain`: what the live release does and why, as one page."""

from __future__ import annotations

import atexit
import warnings
from pathlib import Path
from typing import Annotated

import typer

from colisten.errors import ConfigError
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.terminal import Terminal


def explain(
    out: Annotated[Path, typer.Option("--out", help="Folder of a finished `colisten run`.")],
    sample: Annotated[int, typer.Option("--sample", min=2, help="Users asked, at most.")] = 2_000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of samples, permutations and maps.")
    ] = 0,
) -> None:
    """What drives the live release, how true its probabilities are, and what training moved.

    Writes OUT/reports/explain.html, which opens offline, and the same figures as explain.json.

    Example: colisten explain --out out
    """
    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    from colisten.config import Settings
    from colisten.explain.inputs import ExplanationInputs
    from colisten.explain.report import explain as explained
    from colisten.explain.verdict import verdicts
    from colisten.reports.explanation import to_html

    atexit.register(_leave_quietly)
    with warnings.catch_warnings():
        # ibis calls a method that DuckDB has renamed; nothing that a reader could do about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        inputs = ExplanationInputs.read(out, most_users=sample, seed=seed, settings=Settings())
    found = explained(inputs, seed=seed)
    reports = out / "reports"
    write_page(reports / "explain.html", to_html(found))
    write_json(reports / "explain.json", found, indent=1)
    console = Terminal()
    for sentence in verdicts(found):
        console.print(sentence, highlight=False)
    console.print(str(reports / "explain.html"), soft_wrap=True, highlight=False)


def _leave_quietly() -> None:
    """Let go of ibis's own DuckDB connection.

    Beside torch, DuckDB's binding finds it at the end of the process and complains of a leak.
    """
    import ibis

    ibis.options.default_backend = None
