"""A step that a TrainJob of Kubeflow Trainer takes: submitted, followed, and deleted in the end.

The pod of the step hands its inputs over in a folder that all pods mount, submits the job, writes
what the job's pods say into its own log, and takes the results. Whatever comes (success, failure,
the time limit, an exception, SIGTERM) the job is deleted: Kubeflow Trainer 2.3 leaves finished
jobs where they are, and knows nothing of a pipeline that was cancelled (kubeflow/trainer#2899).
Where this process is killed at once, two things are left that end the job: its time limit, and
its owner, which is the pod of the step.

Tried again, the step finds the job of before by its name: one that still trains is taken over,
one that failed is replaced, and of one that is gone the results may lie there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from colisten.errors import PipelineError
from colisten.files import combined_digest, write_aside
from colisten.json_files import parse_json, to_json
from colisten.logs import logger
from colisten.steps.execution import artifact_type, input_types, result_types
from colisten.steps.settings import Step
from colisten.variables import POD, POD_NAMESPACE, POD_UID, RUN, TRAIN_JOB

if TYPE_CHECKING:
    from colisten.components.cluster_jobs import ClusterJobs
    from colisten.components.pod_logs import PodLogs

_LOOK_SECONDS = 2.0
_RESULTS, _INPUTS, _SETTINGS = "results", "inputs", "settings.json"

log = logger("train_job")


def submission() -> dict[str, Any] | None:
    """What this step's pod is to submit; None where the step is executed here."""
    text = os.environ.get(TRAIN_JOB)
    return None if text is None else parse_json(text, name=TRAIN_JOB)


@contextmanager
def trained(
    step: Step,
    inputs: Mapping[str, Any],
    settings: str,
    given: Mapping[str, Any],
    *,
    look_seconds: float = _LOOK_SECONDS,
) -> Iterator[Any]:
    """What a step returns, executed by a TrainJob; in place until the block ends.

    Args:
        step: Of the library.
        inputs: By parameter, places of artifacts and plain values.
        settings: What it reads, as `colisten.steps.settings.settings_json` wrote it.
        given: See `submission`.
        look_seconds: Between two looks at the job.

    Raises:
        PipelineError: The job failed, took too long, was deleted by others, or Kubernetes refuses.
    """
    kinds = {name: hint for name, hint in input_types(step).items() if inputs.get(name)}
    artifacts = {
        name: kind.load(Path(inputs[name]))
        for name, hint in kinds.items()
        if (kind := artifact_type(hint)) is not None
    }
    values = {
        # Kubeflow hands some whole numbers over with a point.
        name: str(int(inputs[name]) if hint is int else inputs[name])
        for name, hint in kinds.items()
        if name not in artifacts
    }
    name = _name(step, {name: each.digest for name, each in artifacts.items()}, values, settings)
    folder = Path(given["folder"]) / name
    results = folder / _RESULTS
    arguments = [step.__name__, "--out", str(results), "--settings", str(folder / _SETTINGS)]
    arguments += [f"{each}={folder / _INPUTS / each}" for each in artifacts]
    arguments += [f"{each}={value}" for each, value in values.items()]
    try:
        if not results.exists():
            for each, artifact in artifacts.items():
                # A job that is taken over may be reading what lies there, which is the same.
                if not (folder / _INPUTS / each).exists():
                    artifact.save(folder / _INPUTS / each)
            with write_aside(folder / _SETTINGS) as aside:
                aside.write_text(settings)
        _follow(_manifest(given["manifest"], name, arguments), results, given, look_seconds)
        made = {each: kind.load(results / each) for each, kind in result_types(step).items()}
        yield _returned(step)(**made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _returned(step: Step) -> Any:
    return get_type_hints(step)["return"]


def _name(step: Step, digests: Mapping[str, str], values: Mapping[str, str], settings: str) -> str:
    """The same for every try of a step in its run, and for nothing else."""
    known = {**digests, "": to_json([os.environ.get(RUN, ""), dict(values), settings])}
    # The pods' names are longer by `-node-0-0-xxxxx`, and 63 letters are all there are.
    return f"colisten-{step.__name__.replace('_', '-')}-{combined_digest(known)[:16]}"


def _manifest(template: Mapping[str, Any], name: str, arguments: list[str]) -> dict[str, Any]:
    metadata = {**template["metadata"], "name": name}
    if owner := _owner():
        metadata["ownerReferences"] = [owner]
    trainer = {**template["spec"]["trainer"], "args": arguments}
    return {**template, "metadata": metadata, "spec": {**template["spec"], "trainer": trainer}}


def _owner() -> dict[str, str] | None:
    """This pod, with which the job goes where nobody deletes it before."""
    pod, uid = os.environ.get(POD), os.environ.get(POD_UID)
    if not pod or not uid:
        return None
    return {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}


def _follow(
    manifest: dict[str, Any], results: Path, given: Mapping[str, Any], look_seconds: float
) -> None:
    """Submit the job or take it over, and stay until its results lie there; then delete it."""
    from colisten.components.cluster_jobs import ClusterJobs, cancelled_by_signals
    from colisten.components.pod_logs import PodLogs

    jobs = ClusterJobs(os.environ.get(POD_NAMESPACE) or "default")
    name = manifest["metadata"]["name"]
    logs = PodLogs(jobs.core, jobs.namespace, f"jobset.sigs.k8s.io/jobset-name={name}")
    deadline = time.monotonic() + float(given["timeout_seconds"])
    with cancelled_by_signals() as undisturbed:
        try:
            if results.exists():
                return  # of an earlier try, which was killed before it could take them
            _submit(jobs, manifest, deadline, look_seconds)
            while not _done(jobs.find(name), name, results, logs):
                logs.look()
                if time.monotonic() > deadline:
                    raise PipelineError(
                        f"TrainJob {name} is not done after {given['timeout_seconds']} s. "
                        f"{logs.summary()}",
                        "Raise trainjob.timeout_seconds, or give it what its pods wait for.",
                    )
                time.sleep(look_seconds)
            logs.close()
        finally:
            undisturbed()
            jobs.delete(name)
            logs.close()


def _submit(
    jobs: ClusterJobs, manifest: dict[str, Any], deadline: float, look_seconds: float
) -> None:
    name = manifest["metadata"]["name"]
    while not jobs.create(manifest):
        found = jobs.find(name)
        if found is None:
            continue
        state, _ = _state(found)
        # One that is complete has left its results, which would have been taken.
        if state not in ("Failed", "Complete") and "deletionTimestamp" not in found["metadata"]:
            owners = [*found["metadata"].get("ownerReferences", [])]
            owners += [each for each in [_owner()] if each is not None and each not in owners]
            jobs.own(name, owners)
            log.info("TrainJob of an earlier try taken over", name=name, state=state)
            return
        if time.monotonic() > deadline:
            raise PipelineError(f"TrainJob {name} of an earlier try does not go away.")
        log.info("TrainJob of an earlier try is being replaced", name=name, state=state)
        jobs.delete(name)
        time.sleep(look_seconds)
    log.info("TrainJob submitted", name=name, namespace=jobs.namespace)


def _done(job: Mapping[str, Any] | None, name: str, results: Path, logs: PodLogs) -> bool:
    """Whether the job has come to a good end; raises PipelineError where it came to another."""
    if job is None:
        if results.exists():
            return True
        raise PipelineError(
            f"TrainJob {name} was deleted by others before it was done.", "Run the step again."
        )
    state, said = _state(job)
    if state == "Failed":
        logs.look()
        raise PipelineError(f"TrainJob {name} failed: {said}. {logs.summary()}")
    if state != "Complete":
        return False
    logs.look()  # pods that came and went since the last time
    if not results.exists():
        raise PipelineError(
            f"TrainJob {name} is complete, and {results} is not there.",
            "Have this step and the job's pods mount the same volume.",
        )
    return True


def _state(job: Mapping[str, Any]) -> tuple[str, str]:
    """Complete, Failed or what it is else, and what Kubernetes says of it."""
    conditions = job.get("status", {}).get("conditions", [])
    holding = {each["type"]: each for each in conditions if each["status"] == "True"}
    for state in ("Failed", "Complete", "Suspended"):
        if state in holding:
            found = holding[state]
            with suppress(KeyError):
                return state, f"{found['reason']}: {found['message']}"
            return state, ""
    return "Running", ""
