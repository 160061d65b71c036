"""Step: what one trial is called, what it sees and what each of its steps reads."""

from __future__ import annotations

from typing import NamedTuple

from colisten.errors import PipelineError
from colisten.steps.artifacts.text import Text
from colisten.steps.artifacts.trial_list import TrialList


class Read(NamedTuple):
    """The trial, a text each."""

    model: Text
    blocks: Text
    beside: Text
    build_graph_settings: Text
    inspect_graph_settings: Text
    train_hgnn_settings: Text
    build_training_rows_settings: Text
    train_towers_settings: Text
    rank_settings: Text


def read_trial(trials: TrialList, number: str) -> Read:
    """Hand on one trial; those with equal texts share their steps by Kubeflow's cache.

    Args:
        trials: All of them.
        number: Of this one, from 0.

    Raises:
        PipelineError: There is no such trial, or it lacks a text.
    """
    try:
        one = trials.trials[int(number)]
        return Read(*(Text(one[name]) for name in Read._fields))
    except (IndexError, KeyError, ValueError) as error:
        raise PipelineError(
            f"Trial {number} cannot be read: {error!r}.",
            "Write the list by `colisten.pipelines.trials.write_trials`.",
        ) from error
