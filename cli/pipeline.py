"""`colisten pipeline`: the same steps by Kubeflow, on this machine or on a cluster."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import (
    ConfigOption,
    OptionalCutOption,
    SetOption,
    parse_cut,
    renamed,
)
from colisten.cli.pipeline_run import RETRAIN, NameArgument, run_
from colisten.errors import ConfigError, PipelineError
from colisten.settings.cluster import Cluster, Server, load_cluster
from colisten.settings.tree import Settings, load_settings
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.pipelines.kubeflow import Run

app = typer.Typer(
    help="Pipelines by Kubeflow: compile, submit and schedule them, or try one here.",
    no_args_is_help=True,
)

# What a schedule says for the moment that each of its runs is due at; Kubeflow fills it in.
_DUE = "[[ScheduledTime]]"
_CLUSTER = typer.Option("--cluster", metavar="FILE", help="cluster.yaml (see docs/cluster.md).")
ClusterOption = Annotated[Path, _CLUSTER]
OptionalClusterOption = Annotated[Path | None, _CLUSTER]
ParallelismOption = Annotated[
    int,
    typer.Option("--parallelism", min=1, help="Cuts or trials at the same time, of several."),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A parameter of the pipeline, as NAME=VALUE; repeatable."),
]
DaysOption = Annotated[
    int | None,
    typer.Option("--window-days", min=1, help="Days after the cut that measure the release."),
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="PLACE", help="Folder of tables, as the pods see it.")
]


app.command("run")(run_)


@app.command("compile")
def compile_(
    name: NameArgument = RETRAIN,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="YAML file, else colisten-PIPELINE.yaml."),
    ] = None,
    cluster: OptionalClusterOption = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    manifest: Annotated[
        bool,
        typer.Option("--manifest", help="Write Kubernetes resources: Pipeline, PipelineVersion."),
    ] = False,
    trials: Annotated[bool, typer.Option("--trials", hidden=True)] = False,
    parallelism: ParallelismOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Write a pipeline as a PipelineSpec YAML, with the settings and what its pods get in it.

    Without --cluster the file is to be looked at: its pods have no limits and no volume.

    Example: colisten pipeline compile --out colisten-retrain.yaml
    """
    if trials:
        renamed("--trials", "colisten pipeline compile trials")
        name = "trials"
    settings = load_settings(config, tuple(overrides or ()))
    described = None if cluster is None else load_cluster(cluster)
    file = out or Path(f"colisten-{name}.yaml")
    _write(name, file, settings, described, parallelism=parallelism, manifest=manifest)
    if as_json:
        print_document({"written": file})
        return
    console = Terminal()
    console.print(f"Wrote {file}.", soft_wrap=True)
    if described is None:
        console.print(
            "It is to be looked at: without --cluster its pods share no volume, and have no "
            "limits, timeouts or retries.",
            soft_wrap=True,
        )


@app.command("draw")
def draw(
    name: NameArgument = RETRAIN,
    as_json: JsonOption = False,
) -> None:
    """Print the graph of a pipeline as Mermaid text, read off what is compiled.

    Example: colisten pipeline draw refresh
    """
    from colisten.pipelines.compilation import documents
    from colisten.pipelines.drawing import mermaid

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        _write(name, file, Settings(), None)
        drawn = mermaid(documents(file.read_text())[0])
    if as_json:
        print_document({"pipeline": name, "mermaid": drawn})
        return
    print(drawn, end="")


@app.command("submit")
def submit(
    source: SourceOption,
    cluster: ClusterOption,
    name: NameArgument = RETRAIN,
    cut: OptionalCutOption = None,
    window_days: DaysOption = None,
    parameters: ParameterOption = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    parallelism: ParallelismOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Compile a pipeline and start one run of it on the cluster.

    backfill takes several cuts, with commas.

    Example: colisten pipeline submit --cluster cluster.yaml --source /tables --cut 2025-06-16
    """
    described = load_cluster(cluster)
    kubeflow = _kubeflow(described)
    cuts = [parse_cut(each).isoformat() for each in (cut or "").split(",") if each]
    given = _arguments(name, source, cuts, window_days, parameters)
    settings = load_settings(config, tuple(overrides or ()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        _write(name, file, settings, described, parallelism=parallelism)
        run = kubeflow.submit(file, f"colisten-{name} {' '.join(cuts)}".strip(), given)
    if as_json:
        print_document(_document(run))
        return
    Terminal().print(f"Started {run.run_id}: {run.page}", soft_wrap=True)


@app.command("schedule")
def schedule(
    source: SourceOption,
    cluster: ClusterOption,
    cron: Annotated[
        str,
        typer.Option("--cron", help="Six fields, seconds first, UTC: '0 0 2 * * *' is at two."),
    ],
    name: NameArgument = RETRAIN,
    cut: OptionalCutOption = None,
    window_days: DaysOption = None,
    parameters: ParameterOption = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a pipeline and have the cluster run it by the clock, in place of what has its name.

    Without --cut every run's cut is the moment that it is due at.

    Example: colisten pipeline schedule --cluster cluster.yaml --source /tables --cron '0 0 2 * * *'
    """
    if name in ("backfill", "trials"):
        raise ConfigError(f"{name} is for once, not for every day.", "Use `submit`.")
    described = load_cluster(cluster)
    kubeflow = _kubeflow(described)
    moment = _DUE if cut is None else parse_cut(cut).isoformat()
    given = _arguments(name, source, [moment], window_days, parameters)
    settings = load_settings(config, tuple(overrides or ()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        _write(name, file, settings, described)
        made = kubeflow.schedule(file, f"colisten-{name}", cron, given)
    if as_json:
        print_document({"schedule": made, "name": f"colisten-{name}", "cron": cron})
        return
    Terminal().print(f"colisten-{name} runs at '{cron}' (UTC), as schedule {made}.", soft_wrap=True)


@app.command("status")
def status(
    cluster: ClusterOption,
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id of a run; else the newest are listed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How runs on the cluster stand, and which step failed why, as far as Kubeflow says.

    Example: colisten pipeline status --cluster cluster.yaml
    """
    kubeflow = _kubeflow(load_cluster(cluster))
    runs = kubeflow.runs() if run_id is None else [kubeflow.run(run_id)]
    if as_json:
        print_document({"runs": [_document(run) for run in runs]})
        return
    console = Terminal()
    for run in runs:
        console.print(f"{run.state:<10} {run.run_id}  {run.name}", soft_wrap=True, highlight=False)
        for task in run.failed:
            console.print(f"  {task.name}: {task.state} {task.error}", soft_wrap=True)
    if not runs:
        console.print("No run so far.")


def _write(
    name: str,
    file: Path,
    settings: Settings,
    cluster: Cluster | None,
    *,
    parallelism: int = 1,
    manifest: bool = False,
) -> None:
    """Compile a pipeline, checked for the cluster where there is one."""
    from colisten.pipelines.checks import check_cluster
    from colisten.pipelines.compilation import compile_pipeline
    from colisten.pipelines.parameters import Steps
    from colisten.pipelines.registry import make_pipeline

    if cluster is not None:
        check_cluster(
            cluster, index=settings.index, features=settings.features, release=settings.release
        )
    steps = Steps.for_cluster(settings, cluster)
    pipeline = make_pipeline(name, steps, parallelism=parallelism)
    compile_pipeline(pipeline, file, cluster, manifest=manifest)


def _kubeflow(cluster: Cluster) -> Any:
    from colisten.pipelines.kubeflow import Kubeflow

    server: Server | None = cluster.kubeflow
    if server is None:
        raise ConfigError(
            "cluster.yaml names no Kubeflow Pipelines API.", "Set kubeflow.host in it."
        )
    return Kubeflow(server)


def _arguments(
    name: str,
    source: str,
    cuts: list[str],
    window_days: int | None,
    parameters: list[str] | None,
) -> dict[str, Any]:
    """Parameters of a run."""
    several = name == "backfill"
    if not cuts or (len(cuts) > 1 and not several):
        raise ConfigError(f"{name} takes one cut.", "Name it by --cut.")
    given: dict[str, Any] = {"data": source, **({"cuts": cuts} if several else {"cut": cuts[0]})}
    if window_days is not None:
        given["window_days"] = window_days
    for each in parameters or ():
        key, equals, value = each.partition("=")
        if not equals:
            raise PipelineError(f"The parameter '{each}' has no '='.", "Write NAME=VALUE.")
        given[key] = value
    return given


def _document(run: Run) -> dict[str, Any]:
    failed = [{"name": one.name, "state": one.state, "error": one.error} for one in run.failed]
    return {
        "run_id": run.run_id,
        "name": run.name,
        "state": run.state,
        "page": run.page,
        "failed": failed,
    }
