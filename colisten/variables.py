"""The environment variables that are read, so that a misspelt one is not taken for none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from colisten.errors import ConfigError
from colisten.words import known_word, shown

PREFIX = "COLISTEN_"
HOME = f"{PREFIX}HOME"
STORE = f"{PREFIX}STORE"
SETTINGS = f"{PREFIX}SETTINGS"
WORKERS = f"{PREFIX}WORKERS"
LOG_LEVEL = f"{PREFIX}LOG_LEVEL"
MILVUS_TOKEN = f"{PREFIX}MILVUS_TOKEN"
TOKEN = f"{PREFIX}TOKEN"
UMASK = f"{PREFIX}UMASK"
DEBUG = f"{PREFIX}DEBUG"
# Of a step on a cluster: where it notes why it failed, as which run, and the address that is told,
# which comes from a Secret and is never logged.
FAILURES = f"{PREFIX}FAILURES"
RUN = f"{PREFIX}RUN_ID"
WEBHOOK = f"{PREFIX}WEBHOOK"
KUBEFLOW_TOKEN = f"{PREFIX}KUBEFLOW_TOKEN"
# Of a step that is run by a TrainJob: what to submit, as JSON, and the pod that submits it.
TRAIN_JOB = f"{PREFIX}TRAIN_JOB"
POD_NAMESPACE = f"{PREFIX}POD_NAMESPACE"
POD = f"{PREFIX}POD_NAME"
POD_UID = f"{PREFIX}POD_UID"
OF_PIPELINES = (
    *(FAILURES, RUN, WEBHOOK, KUBEFLOW_TOKEN),
    *(TRAIN_JOB, POD_NAMESPACE, POD, POD_UID),
)
# Process whose end ends the workers; set by `colisten serve` alone.
ARBITER = f"{PREFIX}ARBITER"
# Folder where its workers say that they go on; set by it as well.
HEARTBEATS = f"{PREFIX}HEARTBEATS"
KNOWN = (
    *(HOME, STORE, SETTINGS, WORKERS, LOG_LEVEL, MILVUS_TOKEN, TOKEN, UMASK, DEBUG),
    *(ARBITER, HEARTBEATS),
    *OF_PIPELINES,
)

# As alike as LOGLEVEL and LOG_LEVEL; names that others set for themselves are less so.
ALIKE = 0.75
OCTAL = re.compile(r"0*[0-7]{1,3}")
# Kubernetes tells every pod of a service named colisten where it is.
OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_\w+)?)$")


def check_variables(variables: Mapping[str, str]) -> None:
    """Refuse a variable that is probably a known one misspelt.

    Raises:
        ConfigError: Its name is nearly a known one, `COLISTEN_DEBUG` is neither 0 nor 1, or
            `COLISTEN_UMASK` is no mask.
    """
    tails = {name.removeprefix(PREFIX): name for name in KNOWN}
    for name in variables:
        tail = name.upper().strip().removeprefix(PREFIX)
        ours = name.upper().strip().startswith(PREFIX) and name not in KNOWN
        if not ours or OF_KUBERNETES.search(tail):
            continue
        near = get_close_matches(tail, tails, n=1, cutoff=ALIKE)
        if near:
            raise ConfigError(
                f"Nothing reads the environment variable {shown(name)}.",
                f"The nearest known one is {tails[near[0]]!r}.",
            )
    known_word(DEBUG, variables.get(DEBUG) or "0", ("0", "1"))
    mask = variables.get(UMASK) or "077"
    if not OCTAL.fullmatch(mask):
        raise ConfigError(f"{UMASK} is {shown(mask)}, which is no octal mask.", "Write e.g. 027.")
