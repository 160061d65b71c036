"""The DAG from raw tables to a served release, as Kubeflow Pipelines sees it.

The model path (`fit`) runs twice on the same code: once as of one window before the cut, whose
window then measures it for the gate, and once as of the cut, for the release. So the figures a
release carries never come from after the cut.

    plan the run -> check tables -> embed text -> build features
                        |
         fit as of cut - window  -> evaluate on the window before the cut -> gate
         fit as of cut           -> publish  <- gate
                                      |
                     measure on the window after the cut, recommend, report
"""

from typing import Any

from kfp import dsl

from colisten.components.gate.component import gate
from colisten.components.publish.component import publish
from colisten.components.recommend.component import recommend
from colisten.components.report.component import report
from colisten.pipelines.fit import Prepared, make_fit, measured, prepare
from colisten.pipelines.parameters import Steps

BACKTEST = "evaluate on the window before the cut"
AFTER = "measure on the window after the cut"


def make_retrain(steps: Steps) -> Any:
    """The pipeline that trains everything and publishes it; a scheduler gives `data` and `cut`."""
    fit = make_fit(steps)

    @dsl.pipeline(
        name="colisten-retrain",
        description="Raw listening tables to a verified, promoted release with its measurements.",
    )
    def retrain(data: str, cut: str, window_days: int = 90) -> None:
        """Everything from tables to reports.

        Args:
            data: Folder of contract tables.
            cut: A date or a moment, UTC without a zone, or 14 digits, as Kubeflow fills in
                [[ScheduledTime]]; nothing at or after it reaches the release.
            window_days: Days after a cut that measure it.
        """
        with steps.exit_handler():
            prepared = prepare(steps, data, cut, window_days)
            backtested, fitted = (
                fit(**prepared.known, as_of=as_of, window_days=window_days).set_display_name(title)
                for as_of, title in (
                    (prepared.backtest_cut, "backtest as of one window before the cut"),
                    (prepared.moment, "fit as of the cut"),
                )
            )
            backtest = measured(
                steps,
                prepared,
                backtested,
                prepared.history,
                prepared.backtest_cut,
                window_days,
                baselines=False,
                title=BACKTEST,
            )
            after = measured(
                steps,
                prepared,
                fitted,
                prepared.holdout,
                prepared.moment,
                window_days,
                baselines=True,
                title=AFTER,
            )
            published = released(steps, prepared, fitted, fitted.outputs["hgnn"], backtest)
            steps(
                recommend,
                changes_world=True,
                history=prepared.history,
                features=prepared.features,
                release=published,
                towers_text=fitted.outputs["towers_text"],
                backtest=backtest.outputs["table"],
                measured=after.outputs["table"],
                cut=prepared.moment,
                window_days=window_days,
                home=steps.places.home,
            )
            reported(steps, prepared, fitted, published)

    return retrain


def released(steps: Steps, prepared: Prepared, fitted: Any, hgnn: Any, backtest: Any) -> Any:
    """The release that the gate decided on: an output of the tasks that publish it.

    Releases, the pointer and the online store are the world's state, not a function of the
    inputs, so the steps that read or change them never come from a cache.
    """
    table, home = backtest.outputs["table"], steps.places.home
    decision = steps(gate, changes_world=True, table=table, home=home).outputs["decision"]
    return steps(
        publish,
        changes_world=True,
        history=prepared.history,
        features=prepared.features,
        graph=fitted.outputs["graph"],
        hgnn=hgnn,
        towers=fitted.outputs["towers"],
        table=table,
        decision=decision,
        cut=prepared.moment,
        home=home,
    ).outputs["release"]


def reported(steps: Steps, prepared: Prepared, fitted: Any, published: Any) -> None:
    """The task that writes the pages of a release."""
    steps(
        report,
        changes_world=True,
        **prepared.known,
        release=published,
        graph=fitted.outputs["graph"],
        cut=prepared.moment,
        backtest_cut=prepared.backtest_cut,
        home=steps.places.home,
    )
