"""`colisten pipeline`: the same DAG for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Compile the pipeline for a Kubeflow Pipelines cluster.")


@app.callback()
def group() -> None:
    """Keeps `compile` a subcommand while it is the only one."""


@app.command("compile")
def compile_(
    out: Annotated[Path, typer.Option("--out", help="Where the YAML goes.")] = Path(
        "colisten-release.yaml"
    ),
) -> None:
    """Write the release pipeline as a PipelineSpec YAML.

    Example: colisten pipeline compile --out colisten-release.yaml
    """
    from pipelines.compilation import compile_pipeline
    from pipelines.release_pipeline import release_pipeline

    compile_pipeline(release_pipeline, out)
    Console().print(f"Wrote {out}. Upload it with the Kubeflow Pipelines UI or `kfp run create`.")
