"""What each ingredient of the model is worth: everything measured without it, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from colisten.ablations.registry import FULL, Ablation, select
from colisten.ablations.report import AblationReport
from colisten.data.checks import check_tables
from colisten.data.gather import over_tables
from colisten.data.prepare import check_cut, cut_notices
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.settings.tree import Settings, load_settings
from colisten.steps.cache import Listener, StepEvent, silent
from colisten.steps.trials import ablation_trials
from colisten.steps.use_cases.compare import compare_trainings
from colisten.steps.workflow import Window


@over_tables
def ablate(
    data: Path,
    cut: datetime,
    out: Path,
    *,
    only: Sequence[str] = (),
    config: Path | None = None,
    overrides: Sequence[str] = (),
    window_days: int = 90,
    seeds: int = 1,
    use_cache: bool = True,
    listen: Listener = silent,
) -> AblationReport:
    """Fit the full model and every ablation as of the cut, and measure all on the same users.

    Writes ablations.json and ablations.html under `out`; nothing is released. Interrupted, the
    same call goes on where it stopped.

    Args:
        data: Folder of contract tables.
        cut: UTC moment that ends all learning.
        out: Folder that owns the results.
        only: Names of ablations; all of them where it is empty.
        config: YAML file of the full model's settings.
        overrides: Settings of the full model, as `section.name=value`.
        window_days: Days after the cut that measure.
        seeds: Trainings of every row.
        use_cache: Take unchanged steps from earlier runs.
        listen: Called at every change of a step, and with notices.

    Raises:
        ConfigError: A name or a setting is unknown.
        TableError: The tables break the contract.
        ColistenError: As the steps do.
    """
    ablations = select(only, load_settings(config, tuple(overrides)).data)
    settings_of = {
        each.name: load_settings(config, (*overrides, *each.overrides)) for each in ablations
    }
    settings = settings_of[FULL]
    effective = _effective(ablations, settings_of)
    skipped = [each for each in ablations if each not in effective]
    check_tables(data, data=settings.data, engine=settings.engine)
    check_cut(
        data,
        cut=cut,
        window_days=window_days,
        data=settings.data,
        engine=settings.engine,
        only_measures=True,
    )
    for notice in (
        *(f"{each.name}: nothing to take away, left out." for each in skipped),
        *cut_notices(
            data,
            cut=cut,
            window_days=window_days,
            k=settings.evaluation.k,
            data=settings.data,
            engine=settings.engine,
        ),
    ):
        listen(StepEvent("check_tables", "notice", text=notice))
    table = compare_trainings(
        Window(data, cut, window_days),
        out,
        ablation_trials(effective, settings_of, seeds),
        settings,
        subject=FULL,
        use_cache=use_cache,
        listen=listen,
    )
    numbers = [settings.seed + number for number in range(seeds)]
    report = AblationReport.of(effective, skipped, numbers, table)
    _write(report, out)
    return report


def _write(report: AblationReport, out: Path) -> None:
    from colisten.reports.ablations import to_html

    write_page(out / "ablations.html", to_html(report))
    write_json(out / "ablations.json", report)


def _effective(
    ablations: Sequence[Ablation], settings_of: Mapping[str, Settings]
) -> list[Ablation]:
    """The full model, and those that differ from it."""
    # A preset is where values came from, not a value that anything reads.
    values = {
        each.name: (settings_of[each.name].model_copy(update={"preset": "default"}), each.blocks)
        for each in ablations
    }
    return [each for each in ablations if each.is_full or values[each.name] != values[FULL]]
