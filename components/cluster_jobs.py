"""The few things that a step asks of Kubernetes: one kind of job made, looked at and deleted."""

from __future__ import annotations

from colisten.extras import needs

needs("kubernetes", "urllib3")

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from colisten.errors import PipelineError
from colisten.logs import logger

_KIND = ("trainer.kubeflow.org", "v1alpha1")
_PLURAL = "trainjobs"
_MERGE = "application/merge-patch+json"
# An API server that is being upgraded is away for a minute or two; pods get 30 s to end.
_PATIENCE_SECONDS, _LAST_PATIENCE_SECONDS = 120.0, 15.0
_WAIT_SECONDS = 1.0
_REQUEST_SECONDS = (5, 10)
_CONFLICT, _NOT_FOUND, _FORBIDDEN, _TOO_MANY, _BROKEN = 409, 404, 403, 429, 500

log = logger("train_job")


class ClusterJobs:
    """TrainJobs of one namespace, by the rights of this pod's service account.

    Attributes:
        namespace: Theirs.
        core: What pods and their logs are read by.

    Raises:
        PipelineError: This is no pod of a cluster, and no kubeconfig names one.
    """

    def __init__(self, namespace: str) -> None:
        try:
            if file := os.environ.get("KUBECONFIG"):
                config.load_kube_config(config_file=file)
            else:
                config.load_incluster_config()
        except config.ConfigException as error:
            raise PipelineError(
                f"No Kubernetes to submit a TrainJob to: {error}.",
                "Run the step in a pod, or set KUBECONFIG.",
            ) from error
        self.namespace = namespace
        self.core = client.CoreV1Api()
        self._jobs = client.CustomObjectsApi()
        # Versions of the client differ in the kind of patch that they choose.
        merging = client.ApiClient(header_name="Content-Type", header_value=_MERGE)
        self._merging = client.CustomObjectsApi(merging)

    def create(self, manifest: Mapping[str, Any]) -> bool:
        """Make a job; False where there is one of its name."""
        made = self._ask(
            lambda where: self._jobs.create_namespaced_custom_object(
                *where, body=manifest, _request_timeout=_REQUEST_SECONDS
            ),
            but=_CONFLICT,
        )
        return made is not None

    def find(self, name: str) -> dict[str, Any] | None:
        """A job as it is now; None where there is none."""
        found: dict[str, Any] | None = self._ask(
            lambda where: self._jobs.get_namespaced_custom_object(
                *where, name, _request_timeout=_REQUEST_SECONDS
            ),
            but=_NOT_FOUND,
        )
        return found

    def own(self, name: str, owners: Sequence[Mapping[str, Any]]) -> None:
        """Say whose a job is: it goes when all of them are gone."""
        changes = {"metadata": {"ownerReferences": [*owners]}}
        self._ask(
            lambda where: self._merging.patch_namespaced_custom_object(
                *where,
                name,
                body=changes,
                _request_timeout=_REQUEST_SECONDS,
            ),
            but=_NOT_FOUND,
        )

    def delete(self, name: str) -> None:
        """Delete a job with all its pods; one that is not there is no fault, nor is one that
        Kubernetes keeps us from deleting: the log says so, and its time limit ends it."""
        try:
            self._ask(
                lambda where: self._jobs.delete_namespaced_custom_object(
                    *where,
                    name,
                    propagation_policy="Background",
                    _request_timeout=_REQUEST_SECONDS,
                ),
                but=_NOT_FOUND,
                patience=_LAST_PATIENCE_SECONDS,
            )
        except PipelineError as error:
            log.error("TrainJob not deleted", name=name, reason=str(error))
        else:
            log.info("TrainJob deleted", name=name)

    def _ask(
        self,
        question: Callable[[tuple[str, str, str, str]], Any],
        *,
        but: int,
        patience: float = _PATIENCE_SECONDS,
    ) -> Any:
        """An answer; None where it is of the status `but`. Asked again where it may be of use."""
        where = (*_KIND, self.namespace, _PLURAL)
        until = time.monotonic() + patience
        while True:
            try:
                return question(where)
            except client.ApiException as error:
                if error.status == but:
                    return None
                broken = error.status == _TOO_MANY or error.status >= _BROKEN
                if not broken or time.monotonic() > until:
                    raise _refused(error) from error
            except (HTTPError, OSError) as error:
                if time.monotonic() > until:
                    raise PipelineError(f"Kubernetes is out of reach: {error}.") from error
            time.sleep(_WAIT_SECONDS)


def _refused(error: client.ApiException) -> PipelineError:
    said = f"Kubernetes answers {error.status}: {str(error.body or error.reason)[:500]}"
    if error.status == _FORBIDDEN:
        do = "Give the service account the verbs that docs/cluster.md lists."
    elif error.status == _NOT_FOUND:
        do = "Install Kubeflow Trainer 2.3 or newer."
    else:
        do = "See trainjob in docs/cluster.md."
    return PipelineError(said, do)


@contextmanager
def cancelled_by_signals() -> Iterator[Callable[[], None]]:
    """Let SIGTERM, by which pods are ended, end the block as an exception does.

    Yields:
        To be called before what must be done in the end: from then on nothing disturbs it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def undisturbed() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield undisturbed
    finally:
        signal.signal(signal.SIGTERM, former)
