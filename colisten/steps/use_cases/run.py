"""From tables to a release, measured after the cut under one seed or several."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from colisten.data.checks import check_tables
from colisten.data.forecast import forecast_cut
from colisten.data.gather import over_tables
from colisten.data.moments import parse_moment
from colisten.evaluation.seconds import Seconds
from colisten.evaluation.table import EvaluationTable
from colisten.pages import write_page
from colisten.settings.tree import Settings
from colisten.steps.cache import Listener, StepEvent, silent, step_cache
from colisten.steps.metrics_file import write_seeds
from colisten.steps.plan import release_steps
from colisten.steps.trials import check_trials, further_seeds
from colisten.steps.use_cases.preflight import look_ahead, tell
from colisten.steps.workflow import Home, Released, Window, release, trials
from colisten.threads import spinning_notice


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Attributes:
        release_id: The release.
        promoted: Whether it is live.
        reasons: Of the gate, where it is not.
        warnings: Of the gate, whatever it decided.
        seeds: Of the trainings behind `table`, the release's own first.
        table: Figures on the window after the cut.
        out: Folder that owns the results.
    """

    release_id: str
    promoted: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    seeds: tuple[int, ...]
    table: EvaluationTable
    out: Path

    @property
    def recommendations(self) -> Path:
        """Every user's list: user_id, item_id, rank, score."""
        return self.out / "recommendations.parquet"


@over_tables
def run(
    data: str | Path,
    cut: str | datetime,
    out: str | Path,
    settings: Settings | None = None,
    *,
    window_days: int = 90,
    seeds: int = 1,
    use_cache: bool = True,
    allow_late_cut: bool = False,
    listen: Listener = silent,
) -> RunResult:
    """Check the tables, train, evaluate and publish a release; promote it if its gate passes.

    Writes recommendations.parquet, metrics.json, releases/ and reports/ under `out`. Interrupted,
    the same call goes on where it stopped.

    Args:
        data: Folder of contract tables, each a file or a folder of parts (docs/tables.md).
        cut: UTC moment that ends all learning; a text is read as ISO 8601, without a zone as UTC.
        out: Folder that owns the results.
        settings: Default: those of the library.
        window_days: Days after the cut that measure.
        seeds: Trainings to measure: the release is that of `seed`, the figures are means over
            `seed`, `seed` + 1 and so on, with intervals that hold their noise.
        use_cache: Take unchanged steps from earlier runs.
        allow_late_cut: Train even where the cut lies months after the last event.
        listen: Called with what the run will do and cost, with notices about the tables, and at
            every change of a step.

    Raises:
        TableError: The tables break the contract, or the cut lies long before or after their
            events; nothing is written then.
        PipelineError: Another run holds `out`.
        ColistenError: As the steps do.
    """
    settings, data, out = settings or Settings(), Path(data), Path(out)
    cut = parse_moment(cut.isoformat() if isinstance(cut, datetime) else cut, "The cut")
    # Broken tables are refused here, before anything is written.
    report = check_tables(data, data=settings.data, engine=settings.engine)
    forecast = forecast_cut(
        data,
        cut=cut,
        window_days=window_days,
        k=settings.evaluation.k,
        data=settings.data,
        engine=settings.engine,
        allow_late_cut=allow_late_cut,
    )
    further = further_seeds(settings, seeds)
    if further:
        check_trials(further, settings)
    window, home = Window(data, cut, window_days), Home.at(out)
    preflight, plan = look_ahead(
        forecast, release_steps(further), settings, root=home.steps, texts=home.texts
    )
    late = spinning_notice()
    tell(preflight, (*report.notices, *((late,) if late else ())), listen)
    with step_cache(
        home.steps, "release", settings, use_cache=use_cache, listen=listen, plan=plan
    ) as cache:
        released = release(cache, window, home)
        table = released.measured.table
        if further:
            table = trials(
                cache, window, home, further, subject=table.subject, measured=released.lists
            ).table.table
    numbers = tuple(settings.seed + number for number in range(seeds))
    _write_measured(home.out, table, numbers, released.seconds)
    for sentence in released.seconds.sentences(table.subject):
        listen(StepEvent("", "notice", text=sentence))
    return _result(released, table, numbers, home.out)


def _write_measured(
    out: Path, table: EvaluationTable, seeds: tuple[int, ...], seconds: Seconds
) -> None:
    """Put the figures of all seeds, and what they took, into metrics.json and on the page."""
    from colisten.reports.evaluation import to_html

    write_page(out / "reports" / "evaluation.html", to_html(table, seconds))
    write_seeds(out, table, seeds, seconds)


def _result(
    released: Released, table: EvaluationTable, seeds: tuple[int, ...], out: Path
) -> RunResult:
    published = released.release
    return RunResult(
        release_id=published.release_id,
        promoted=published.promoted,
        reasons=tuple(published.reasons),
        warnings=tuple(published.warnings),
        seeds=seeds,
        table=table,
        out=out,
    )
