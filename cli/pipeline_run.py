"""`colisten pipeline run`: a pipeline by Kubeflow's local runner, for who changes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
from colisten.data.gather import gathered, place_text
from colisten.errors import ConfigError
from colisten.settings.tree import Settings, load_settings
from colisten.steps.cache import Listener
from colisten.store.address import is_store
from colisten.terminal import Terminal
from colisten.words import known_word

SUBPROCESS, DOCKER = "subprocess", "docker"
RETRAIN = "retrain"
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="[PIPELINE]", help="retrain, refresh, monitor, backfill or trials; retrain if none."
    ),
]


def run_(
    data: DataOption,
    cut: CutOption,
    out: OutOption,
    name: NameArgument = RETRAIN,
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
    """Run a pipeline by Kubeflow's local runner: the same components, a process each.

    For who changes components or a pipeline; `colisten run` makes the release of retrain, sooner.
    backfill takes several cuts, with commas. Artifacts and run.log lie under OUT/pipeline.

    With `--runner docker` each step runs in the image that a cluster runs it in, read-only and
    without a network, as the user whose OUT is.

    Example: colisten pipeline run --data tables --cut 2025-06-16 --window-days 14 --out out
    """
    known_word("--runner", runner, (SUBPROCESS, DOCKER))
    settings = load_settings(config, tuple(overrides or ()))
    from colisten.pipelines.local import run_local
    from colisten.pipelines.parameters import Places, Steps
    from colisten.pipelines.registry import make_pipeline
    from colisten.pipelines.step_containers import StepContainers, named_variables, read_images
    from colisten.steps.workflow import Home

    if name == "trials":
        raise ConfigError("Trials are no pipeline of this command.", "Run `colisten ablate`.")
    cuts = [parse_cut(each).isoformat() for each in cut.split(",")]
    if name == "backfill":
        arguments: dict[str, Any] = {"cuts": cuts}
    elif len(cuts) > 1:
        raise ConfigError(f"{name} takes one cut, and {len(cuts)} are given.", "Name one.")
    else:
        arguments = {"cut": cuts[0]}
    for each in cuts:
        listen = _told_beforehand(data, each, window_days, out, settings, allow_late_cut, name)
    home, place = Home.at(out), place_text(data)
    pipeline = make_pipeline(name, Steps(settings, Places.of_home(home)))
    containers = None
    if runner == DOCKER:
        containers = StepContainers(
            read_images(images),
            home.out,
            readable=() if is_store(place) else (Path(place),),
            network=network,
            memory=memory,
            variables=named_variables({"settings": settings.to_json()}),
        )
    with going_on():
        run_local(
            pipeline,
            {"data": place, "window_days": window_days, **arguments},
            root=home.out / "pipeline",
            use_cache=use_cache,
            keep_days=settings.cache_keep_days,
            containers=containers,
            listen=listen,
        )
    if as_json:
        print_document({"out": out, "log": home.out / "pipeline" / "run.log"})
    Terminal(stderr=True).print(f"Results lie in {out}.", soft_wrap=True)


def _told_beforehand(
    data: Path,
    cut: str,
    window_days: int,
    out: Path,
    settings: Settings,
    allow_late_cut: bool,
    name: str,
) -> Listener:
    """Refuse broken tables before anything is written, say what is coming, and draw it."""
    from colisten.cli.steps import drawn_lines
    from colisten.steps.plan import Plan, release_steps
    from colisten.steps.use_cases.preflight import look_ahead, tell
    from colisten.steps.workflow import Home

    with gathered(data) as tables:
        report = check_tables(tables, data=settings.data, engine=settings.engine)
        forecast = forecast_cut(
            tables,
            cut=parse_cut(cut),
            window_days=window_days,
            k=settings.evaluation.k,
            data=settings.data,
            engine=settings.engine,
            allow_late_cut=allow_late_cut,
        )
    console = Terminal(stderr=True)
    if name != RETRAIN:
        return drawn_lines(console, Plan())
    home = Home.at(out)
    # Each step is a process of its own, whose start is not in what the library's steps took.
    preflight, plan = look_ahead(
        forecast, release_steps(), settings, root=home.out / "pipeline", texts=home.texts
    )
    listen = drawn_lines(console, plan)
    tell(preflight, report.notices, listen)
    return listen
