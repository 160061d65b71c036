"""`colisten pipeline`: the same DAG for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.terminal import Terminal

app = typer.Typer(help="Compile the pipeline for a Kubeflow Pipelines cluster.")


@app.callback()
def group() -> None:
    """Keeps `compile` a subcommand while it is the only one."""


@app.command("compile")
def compile_(
    out: Annotated[Path, typer.Option("--out", help="Where the YAML goes.")] = Path(
        "colisten-release.yaml"
    ),
    trials: Annotated[
        bool, typer.Option("--trials", help="Several trainings side by side, not the release.")
    ] = False,
    parallelism: Annotated[
        int, typer.Option(min=1, help="Trials that run at the same time, with --trials.")
    ] = 4,
) -> None:
    """Write the release pipeline, or that of several trainings, as a PipelineSpec YAML.

    Example: colisten pipeline compile --out colisten-release.yaml
    """
    from colisten.pipelines.compilation import compile_pipeline
    from colisten.pipelines.release_pipeline import release_pipeline
    from colisten.pipelines.trials_pipeline import make_trials_pipeline

    compile_pipeline(make_trials_pipeline(parallelism) if trials else release_pipeline, out)
    Terminal().print(f"Wrote {out}. Upload it with the Kubeflow Pipelines UI or `kfp run create`.")
