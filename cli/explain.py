"""`colisten explain`: what the live release does and why, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.terminal import Terminal


def explain(
    out: Annotated[Path, typer.Option("--out", help="Folder of a finished `colisten run`.")],
    tables: Annotated[
        Path | None,
        typer.Option(
            "--tables",
            help="Folder of history/ and holdout/ as check_tables leaves them, for a release that "
            "was made elsewhere; default: those of the run in --out.",
        ),
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=2, help="Users asked, at most.")] = 2_000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of samples, permutations and maps.")
    ] = 0,
) -> None:
    """What drives the live release, how true its probabilities are, and what training moved.

    Writes OUT/reports/explain.html, which opens offline, and the same figures as explain.json.

    Example: colisten explain --out out
    """
    from colisten.explain.explanation import verdicts
    from colisten.steps.use_cases.explain import explain as explain_release

    explanation = explain_release(out, tables=tables, sample=sample, seed=seed)
    console = Terminal()
    for sentence in verdicts(explanation):
        console.print(sentence, highlight=False)
    console.print(str(out / "reports" / "explain.html"), soft_wrap=True, highlight=False)
