"""`colisten pipeline`: the same DAG by Kubeflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.ending import going_on
from colisten.cli.inputs import (
    CacheOption,
    ConfigOption,
    CutOption,
    DataOption,
    LateCutOption,
    OutOption,
    SetOption,
    WindowOption,
    parse_cut,
)
from colisten.data.checks import check_tables
from colisten.data.forecast import forecast_cut
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal
from colisten.words import known_word

SUBPROCESS, DOCKER = "subprocess", "docker"

app = typer.Typer(
    help="The release as a Kubeflow pipeline: compile it, or try it here.", no_args_is_help=True
)


@app.command("run")
def run_(
    data: DataOption,
    cut: CutOption,
    out: OutOption,
    window_days: WindowOption = 90,
    config: ConfigOption = None,
    overrides: SetOption = None,
    use_cache: CacheOption = True,
    allow_late_cut: LateCutOption = False,
    runner: Annotated[
        str,
        typer.Option(
            "--runner",
            help="`subprocess`: steps are processes of this environment. `docker`: each runs in "
            "its image, by the engine that DOCKER_HOST names.",
        ),
    ] = SUBPROCESS,
    images: Annotated[
        Path,
        typer.Option("--images", metavar="FILE", help="Images by digest, as `make images` lists."),
    ] = Path("build/images/images.json"),
    network: Annotated[
        str, typer.Option("--network", help="Of containers; `none` reaches nobody.")
    ] = "none",
    memory: Annotated[
        str | None, typer.Option("--memory", help="Most that a step's container takes, as 4g.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the release pipeline by Kubeflow's local runner: the same components, a process each.

    For who changes components or the pipeline; `colisten run` makes the same release, sooner.
    Artifacts and run.log lie under OUT/pipeline.

    With `--runner docker` each step runs in the image that a cluster runs it in, read-only and
    without a network, as the user whose OUT is.

    Example: colisten pipeline run --data tables --cut 2025-06-16 --window-days 14 --out out
    """
    known_word("--runner", runner, (SUBPROCESS, DOCKER))
    settings = load_settings(config, tuple(overrides or ()))
    report = check_tables(data, data=settings.data, engine=settings.engine)
    moment = parse_cut(cut)
    forecast = forecast_cut(
        data,
        cut=moment,
        window_days=window_days,
        k=settings.evaluation.k,
        data=settings.data,
        engine=settings.engine,
        allow_late_cut=allow_late_cut,
    )
    from colisten.cli.steps import drawn_lines
    from colisten.pipelines.local import run_local
    from colisten.pipelines.parameters import release_arguments
    from colisten.pipelines.release_pipeline import release_pipeline
    from colisten.pipelines.step_containers import StepContainers, named_variables, read_images
    from colisten.steps.plan import release_steps
    from colisten.steps.use_cases.preflight import look_ahead, tell
    from colisten.steps.workflow import Home, Window

    console, home = Terminal(stderr=True), Home.at(out)
    # Each step is a process of its own, whose start is not in what the library's steps took.
    preflight, plan = look_ahead(
        forecast, release_steps(), settings, root=home.out / "pipeline", texts=home.texts
    )
    listen = drawn_lines(console, plan)
    tell(preflight, report.notices, listen)
    arguments = release_arguments(Window(data, moment, window_days), home, settings)
    containers = None
    if runner == DOCKER:
        containers = StepContainers(
            read_images(images),
            home.out,
            readable=(Path(arguments["data"]),),
            network=network,
            memory=memory,
            variables=named_variables(arguments),
        )
    with going_on():
        run_local(
            release_pipeline,
            arguments,
            root=home.out / "pipeline",
            use_cache=use_cache,
            keep_days=settings.cache_keep_days,
            containers=containers,
            listen=listen,
        )
    if as_json:
        print_document({"out": out, "log": home.out / "pipeline" / "run.log"})
    console.print(f"Results lie in {out}.", soft_wrap=True)


@app.command("compile")
def compile_(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="YAML file to write.")] = Path(
        "colisten-release.yaml"
    ),
    trials: Annotated[
        bool, typer.Option("--trials", help="Several trainings side by side, not the release.")
    ] = False,
    parallelism: Annotated[
        int,
        typer.Option("--parallelism", min=1, help="Trials at the same time, with --trials."),
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Write the release pipeline, or that of several trainings, as a PipelineSpec YAML.

    Example: colisten pipeline compile --out colisten-release.yaml
    """
    from colisten.pipelines.compilation import compile_pipeline
    from colisten.pipelines.release_pipeline import release_pipeline
    from colisten.pipelines.trials_pipeline import make_trials_pipeline

    compile_pipeline(make_trials_pipeline(parallelism) if trials else release_pipeline, out)
    if as_json:
        print_document({"written": out})
        return
    Terminal().print(f"Wrote {out}. Upload it with the Kubeflow Pipelines UI or `kfp run create`.")
