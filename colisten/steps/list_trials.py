"""Step: how many trials there are, so that a pipeline can go through them."""

from __future__ import annotations

from typing import NamedTuple

from colisten.errors import PipelineError
from colisten.json_files import to_json
from colisten.steps.artifacts.text import Text
from colisten.steps.artifacts.trial_list import TrialList


class Listed(NamedTuple):
    """Numbers of the trials, as a JSON list of texts."""

    numbers: Text


def list_trials(trials: TrialList) -> Listed:
    """Number the trials.

    Args:
        trials: What is to be trained.

    Raises:
        PipelineError: There is none.
    """
    if not trials.trials:
        raise PipelineError("There is no trial to run.", "Name at least one.")
    return Listed(Text(to_json([str(number) for number in range(len(trials.trials))])))
