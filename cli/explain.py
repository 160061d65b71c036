"""`colisten explain`: what the live release does and why, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import OutOption, SeedOption, renamed
from colisten.terminal import Terminal


def explain(
    out: OutOption,
    tables: Annotated[
        Path | None,
        typer.Option(
            "--tables",
            help="Folder of history/ and holdout/ as check_tables leaves them, for a release that "
            "was made elsewhere; default: those of the run in --out.",
        ),
    ] = None,
    most_users: Annotated[
        int, typer.Option("--most-users", min=2, help="Users asked, at most.")
    ] = 2_000,
    sample: Annotated[int | None, typer.Option("--sample", min=2, hidden=True)] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """What drives the live release, how true its probabilities are, and what training moved.

    Writes OUT/reports/explain.html, which opens offline, and the same figures as explain.json.

    Example: colisten explain --out out
    """
    from colisten.explain.explanation import verdicts
    from colisten.steps.use_cases.explain import explain as explain_release

    if sample is not None:
        renamed("explain --sample", "explain --most-users")
    explanation = explain_release(out, tables=tables, sample=sample or most_users, seed=seed)
    page, sentences = out / "reports" / "explain.html", verdicts(explanation)
    if as_json:
        figures = page.with_suffix(".json")
        print_document({"verdicts": sentences, "files": [page, figures]})
        return
    for line in (*sentences, str(page)):
        Terminal().print(line, soft_wrap=True, highlight=False)
