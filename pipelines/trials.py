"""Several trainings side by side and one table, as Kubeflow Pipelines sees it.

    plan the run -> check tables -> embed text -> build features
                        |
        for each trial: build graph -> inspect graph, train HGNN -> train towers -> rank
                        |
                     compare

Every step of a trial gets only the settings that it reads, so two trials share each step whose
settings and inputs are equal: those that differ in their towers have one graph and one HGNN, and
those that differ in their seed one graph.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input

from colisten.components.build_graph.component import build_graph
from colisten.components.build_training_rows.component import build_training_rows
from colisten.components.compare.component import compare
from colisten.components.inspect_graph.component import inspect_graph
from colisten.components.list_trials.component import list_trials
from colisten.components.rank.component import rank
from colisten.components.read_trial.component import read_trial
from colisten.components.train_hgnn.component import train_hgnn
from colisten.components.train_towers.component import train_towers
from colisten.pipelines.fit import prepare
from colisten.pipelines.parameters import Steps
from colisten.steps.artifacts.trial_list import TrialList
from colisten.steps.trials import TrainingRun


class Ranked(NamedTuple):
    """What one trial leaves."""

    lists: Dataset


def write_trials(trainings: Sequence[TrainingRun], steps: Steps, file: Path) -> Path:
    """Write the list that the trials pipeline takes, a JSON file for the store of artifacts.

    Args:
        trainings: What is to be trained.
        steps: What they are compiled for: the cluster and its images.
        file: Where to.
    """
    TrialList([steps.trial_item(each) for each in trainings]).save(file)
    return file


def make_trial(steps: Steps) -> Any:
    """The pipeline of one training and its lists; the holdout serves to rank for its users."""

    @dsl.pipeline(name="trial", description="One training as of the cut, and its lists.")
    def trial(
        trials: Input[Dataset],
        number: str,
        history: Input[Dataset],
        holdout: Input[Dataset],
        text: Input[Dataset],
        features: Input[Dataset],
        cut: str,
        window_days: int,
    ) -> Ranked:
        one = steps(read_trial, trials=trials, number=number).outputs

        def step(component: Any, **inputs: Any) -> Any:
            return steps(
                component, settings=one[f"{component.python_func.__name__}_settings"], **inputs
            )

        graph = step(build_graph, history=history, as_of=cut).outputs["graph"]
        factors = step(inspect_graph, graph=graph, text=text).outputs["factors"]
        places = steps.places
        hgnn = step(train_hgnn, graph=graph, text=text, checkpoints=places.checkpoints)
        rows = step(build_training_rows, history=history, features=features, as_of=cut)
        towers = step(
            train_towers,
            rows=rows.outputs["rows"],
            history=history,
            text=text,
            vectors=hgnn.outputs["vectors"],
            factors=factors,
            blocks=one["blocks"],
            window_days=window_days,
            checkpoints=places.checkpoints,
        )
        ranked = step(
            rank,
            history=history,
            events=holdout,
            features=features,
            text=text,
            vectors=hgnn.outputs["vectors"],
            towers=towers.outputs["towers"],
            model=one["model"],
            beside=one["beside"],
            as_of=cut,
            window_days=window_days,
        )
        return Ranked(lists=ranked.outputs["lists"])

    return trial


def make_trials(steps: Steps, parallelism: int = 1) -> Any:
    """The pipeline over any number of trials, of which at most `parallelism` run at a time.

    One machine runs one at a time, for memory and cores; a cluster as many as it has room for.
    """
    trial = make_trial(steps)

    @dsl.pipeline(
        name="colisten-trials", description="Several trainings side by side on one window."
    )
    def trials_pipeline(
        data: str, cut: str, trials: str, subject: str, window_days: int = 90, measured: str = ""
    ) -> None:
        """Everything from tables to the table of all trials.

        Args:
            data: Folder of contract tables.
            cut: A date or a moment, UTC without a zone; nothing at or after it is learned from.
            trials: URI of the list, see `write_trials`.
            subject: The model that every other is compared with.
            window_days: Days after the cut that measure the trials.
            measured: Folder of lists of the same window that an `evaluate` step wrote and that
                join the table; empty for none.
        """
        with steps.exit_handler():
            listed = dsl.importer(artifact_uri=trials, artifact_class=Dataset, reimport=True)
            numbers = steps(list_trials, trials=listed.output).outputs["numbers"]
            prepared = prepare(steps, data, cut, window_days)
            with dsl.ParallelFor(numbers, parallelism=parallelism) as number:
                ranked = trial(
                    trials=listed.output,
                    number=number,
                    **prepared.known,
                    holdout=prepared.holdout,
                    cut=prepared.moment,
                    window_days=window_days,
                )
            steps(
                compare,
                **prepared.known,
                events=prepared.holdout,
                lists=dsl.Collected(ranked.outputs["lists"]),
                measured=measured,
                subject=subject,
                as_of=prepared.moment,
                window_days=window_days,
            )

    return trials_pipeline
