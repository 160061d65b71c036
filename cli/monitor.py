"""`colisten monitor`: who is told of what the reports say, and Evidently's UI on them."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.ending import Ended
from colisten.cli.inputs import OutOption
from colisten.cli.run import wide_console
from colisten.errors import ConfigError, ReportError
from colisten.settings.alerts import (
    DEFAULT_RULES,
    SEVERITIES,
    AlertRules,
    load_rules,
    severity_named,
)
from colisten.shown import plain
from colisten.terminal import Terminal, print_error
from colisten.variables import WEBHOOK

if TYPE_CHECKING:
    from colisten.monitoring.alerts import Alert
    from colisten.monitoring.standing import Standing

app = typer.Typer(
    help="Alerts on the reports of a run, and Evidently's UI on them.", no_args_is_help=True
)

RulesOption = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="alerts.yaml (see docs/monitoring.md); without it those of `colisten monitor rules`.",
    ),
]
_STYLES = {"quiet": "green", "pending": "yellow", "firing": "bold red"}
_TRIES = 3


@app.command()
def check(
    out: OutOption,
    rules: RulesOption = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="Exit code 1 from which severity: page, or ticket.")
    ] = SEVERITIES[-1],
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics",
            metavar="FILE",
            help="Write alerts for Prometheus too, where node exporter's textfile collector looks.",
        ),
    ] = None,
    start: Annotated[
        bool,
        typer.Option("--start", help="Start the retraining that an alert asks for, not only say."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold the reports of a run to rules: exit code, JSON, a webhook, Prometheus, a retraining.

    A report that is missing, unreadable or too old is an alert. What is new and what is over is
    posted to COLISTEN_WEBHOOK where that is set, once each. Writes OUT/monitor/alerts.json.

    Example: colisten monitor check --rules alerts.yaml --out out
    """
    from colisten.monitoring.alerts import check_alerts, utc_now
    from colisten.monitoring.exposition import write_exposition
    from colisten.monitoring.retraining import asked_for, retraining
    from colisten.monitoring.standing import Standing

    gravest = severity_named(fail_on)
    given = load_rules(rules)
    _need_folder(out)
    now, standing = utc_now(), Standing.read(out)
    alerts = check_alerts(out, given, now)
    pipeline = asked_for(alerts)
    command: list[str] | None = None
    if pipeline is not None and given.retrain is not None:
        command = retraining(given.retrain, pipeline, out, now)
    due = command is not None and standing.may_start(now, _wait_hours(given))
    started = command if start and due else None
    if started is not None:
        standing = standing.model_copy(update={"started": now})
        # Before the start, which may take hours: another check meanwhile starts no second one.
        standing.write(out, now, alerts)
    standing, fault = _told(standing, alerts, out, started)
    file = standing.write(out, now, alerts)
    if metrics is not None:
        write_exposition(metrics, alerts, now)
    said = None if command is None else shlex.join(["colisten", *command])
    if as_json:
        print_document(_document(alerts, now, file, said, started=started is not None))
    else:
        wide_console().print(_drawn(alerts, out))
        if said is not None and started is None:
            why = "with --start" if due else f"not before {_next_start(standing, given)}"
            Terminal().print(f"Asked for ({why}): {said}", soft_wrap=True, highlight=False)
    code = _ending(alerts, gravest, fault)
    if started is not None:
        code = max(code, _start(started))
    if code:
        raise typer.Exit(code)


@app.command("rules")
def rules_(as_json: JsonOption = False) -> None:
    """Print the rules that are checked where nobody names any, to start from.

    Example: colisten monitor rules > alerts.yaml
    """
    tree: dict[str, Any] = {
        "rules": [_without_defaults(rule) for rule in DEFAULT_RULES.rules],
        "stale_after_days": DEFAULT_RULES.oldest_days,
    }
    if as_json:
        print_document(tree)
        return
    import yaml

    print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), end="")


@app.command()
def fill(out: OutOption, rules: RulesOption = None, as_json: JsonOption = False) -> None:
    """Bring Evidently's workspace of a run up to date with its reports, without showing it.

    Example: colisten monitor fill --out out
    """
    given = load_rules(rules)
    _need_folder(out)
    from colisten.monitoring.workspace import fill_workspace

    filled = fill_workspace(out, given)
    if as_json:
        print_document(filled)
        return
    left = f", {filled.unreadable} cannot be read" if filled.unreadable else ""
    Terminal().print(
        f"{filled.folder}: {filled.added} runs more, {filled.removed} fewer{left}.",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def ui(
    out: OutOption,
    rules: RulesOption = None,
    host: Annotated[str, typer.Option(help="IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    as_json: JsonOption = False,
) -> None:
    """Show the reports of a run over time in Evidently's UI, for reading, until Ctrl-C.

    It is filled anew as reports are made, asks nothing of any other machine and knows no logins:
    on another address than the default, whoever reaches it reads it.

    Example: colisten monitor ui --out out
    """
    given = load_rules(rules)
    _need_folder(out)
    from colisten.monitoring.ui import serve_ui

    serves = False

    def ready() -> None:
        nonlocal serves
        serves = True
        if as_json:
            print_document({"host": host, "port": port, "pid": os.getpid(), "out": out})
            return
        shown = f"[{host}]" if ":" in host else host
        Terminal(stderr=True).print(f"http://{shown}:{port}  (Ctrl-C ends it)", highlight=False)

    try:
        serve_ui(out, given, host=host, port=port, ready=ready)
    except Ended as ended:
        # As `colisten serve`: told to end, it has ended well.
        if not serves or ended.signal not in (signal.SIGINT, signal.SIGTERM):
            raise


def _need_folder(out: Path) -> None:
    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")


def _wait_hours(given: AlertRules) -> float:
    return 0.0 if given.retrain is None else given.retrain.wait_hours


def _next_start(standing: Standing, given: AlertRules) -> str:
    from datetime import timedelta

    assert standing.started is not None
    return f"{standing.started + timedelta(hours=_wait_hours(given)):%Y-%m-%d %H:%M} UTC"


def _told(
    standing: Standing, alerts: Sequence[Alert], out: Path, started: list[str] | None
) -> tuple[Standing, str]:
    """Tell whoever is to know what is new; what is then known to be told, and why nobody was."""
    from colisten.monitoring.standing import News

    news, address = News.since(standing, alerts), os.environ.get(WEBHOOK, "")
    if not address or not (news or started):
        return standing, ""
    from colisten.webhook import post

    command = None if started is None else shlex.join(["colisten", *started])
    delivery = post(address, news.message(out, command), tries=_TRIES)
    if not delivery.told:
        return standing, f"Nobody was told of the alerts: {delivery.reason}."
    firing = tuple(alert.name for alert in alerts if alert.fires)
    return standing.model_copy(update={"told": firing}), ""


def _start(arguments: list[str]) -> int:
    """Run another command of ours in this process; its failure is ours."""
    from colisten.cli.app import answer

    Terminal(stderr=True).print(
        f"Starting: {shlex.join(['colisten', *arguments])}", soft_wrap=True, highlight=False
    )
    return answer(arguments)


def _ending(alerts: Sequence[Alert], gravest: str, fault: str) -> int:
    """The exit code; the last line on standard error says why it is not 0."""
    counted = SEVERITIES[: SEVERITIES.index(severity_named(gravest)) + 1]
    firing = [alert for alert in alerts if alert.fires and alert.severity in counted]
    if firing:
        why = "; ".join(f"{alert.name}: {alert.sentence}" for alert in firing)
        print_error(f"colisten: {ReportError.__name__}: {plain(why)}")
    if fault:
        print_error(f"colisten: {ReportError.__name__}: {plain(fault)}")
    return ReportError.exit_code if firing or fault else 0


def _document(
    alerts: Sequence[Alert], now: datetime, file: Path, command: str | None, *, started: bool
) -> dict[str, Any]:
    return {
        "checked": now,
        "firing": sum(alert.fires for alert in alerts),
        "alerts": [asdict(alert) for alert in alerts],
        "command": command,
        "started": started,
        "file": file,
    }


def _without_defaults(rule: Any) -> dict[str, Any]:
    plain_rule: dict[str, Any] = rule.model_dump(mode="json", exclude_defaults=True)
    return {"name": rule.name, "report": rule.report, **plain_rule}


def _drawn(alerts: Sequence[Alert], out: Path) -> Table:
    """Alerts for a terminal, those that fire first."""
    table = Table(title=Text(f"Alerts: {out}"), title_justify="left")
    for column in ("", "alert", "severity", "what was seen", "runs", "since"):
        table.add_column(column, justify="right" if column == "runs" else "left")
    order = {"firing": 0, "pending": 1, "quiet": 2}
    for alert in sorted(alerts, key=lambda one: order[one.state]):
        cells = (alert.name, alert.severity, alert.sentence, str(alert.runs or ""))
        since = "" if alert.since is None or not alert.runs else alert.since[:10]
        table.add_row(Text(alert.state, _STYLES[alert.state]), *map(Text, (*cells, since)))
    return table
