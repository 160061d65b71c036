"""A step's TrainJob is submitted, followed and deleted, whatever comes.

No Kubernetes can be had here: `trainer_api.py` stands for the API server and for the controller.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from colisten.errors import PipelineError
from colisten.json_files import parse_json, write_json
from colisten.pipelines.checks import check_cluster
from colisten.pipelines.compilation import compile_pipeline, documents
from colisten.pipelines.parameters import Steps
from colisten.pipelines.registry import make_pipeline
from colisten.pipelines.train_jobs import submission
from colisten.settings.cluster import Cluster, cluster_from
from colisten.settings.tree import Settings
from colisten.steps.artifacts.reports import Metrics
from colisten.variables import POD, POD_NAMESPACE, POD_UID, RUN, TRAIN_JOB
from tests.pipelines import adding
from tests.pipelines.crds import at, faults
from tests.pipelines.trainer_api import ROOT, serving
from tests.pipelines.trainer_api import Cluster as Api

EXAMPLE = ROOT / "docs" / "cluster.yaml"
TRAINJOB = {
    "nodes": 2,
    "processes": 2,
    "requests": {"cpu": "4", "memory": "8Gi"},
    "limits": {"cpu": "8", "memory": "8Gi"},
    "accelerator": {"type": "nvidia.com/gpu", "count": 2},
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "timeout_seconds": 600,
}
# What a job does in a shell: $3 is the folder of the results.
DOES = 'mkdir -p "$3.new" && printf %s \'{"sum": 3.0}\' > "$3.new/metrics" && mv "$3.new" "$3"'


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(tmp_path) as (cluster, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setenv(POD_NAMESPACE, "here")
        monkeypatch.setenv(POD, "step-1")
        monkeypatch.setenv(POD_UID, "uid-1")
        monkeypatch.setenv(RUN, "run-1")
        yield cluster


def of_example(**trainjob: Any) -> Cluster:
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["steps"]["train_hgnn"]["trainjob"] = {**TRAINJOB, **trainjob}
    return cluster_from(tree)


def added(folder: Path, does: str = DOES, seconds: float = 60.0, settings: str = "{}") -> Any:
    """What the step takes of a job that does this in a shell."""
    submits(folder, does, seconds)
    return adding.added(folder, settings)


def submits(folder: Path, does: str, seconds: float = 60.0) -> None:
    """Have the step submit a job that does this in a shell."""
    job: dict[str, Any] = parse_json(submission("train_hgnn", of_example()) or "")
    job["manifest"]["spec"]["trainer"]["command"] = ["sh", "-c", does, "sh"]
    write_json(
        folder / adding.GIVEN,
        {**job, "folder": str(folder / "trainjobs"), "timeout_seconds": seconds},
    )


def killed(step: subprocess.Popen[bytes]) -> None:
    step.kill()
    step.wait()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_step_takes_what_its_job_made_and_the_job_is_gone(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    does = f'echo "$@"; cat "${{6#*=}}"; echo; sleep 0.3; {DOES}'
    assert added(tmp_path, does) == {"sum": 3.0}
    assert api.jobs == {}
    (name,) = api.deleted
    assert name.startswith("colisten-add-")
    said = capsys.readouterr().out
    assert f"{name}-node-0-0-abcde: add --out " in said
    assert '{"one": 1.0}' in said, "the job finds the inputs"
    assert " more=2" in said
    assert not [*(tmp_path / "trainjobs").iterdir()]


def test_a_job_that_fails_says_what_its_pods_said_and_is_gone(api: Api, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"JobsFailed.*exit code 3.*Failed: .*it is broken"):
        added(tmp_path, "echo it is broken; exit 3")
    assert api.jobs == {}
    assert len(api.deleted) == 1


def test_the_reason_stands_before_what_torchrun_says_of_it(api: Api, tmp_path: Path) -> None:
    says = "echo TrainingError: the loss is nan; for i in $(seq 30); do echo ====; done; exit 1"
    with pytest.raises(PipelineError, match=r"Failed: TrainingError: the loss is nan\.$"):
        added(tmp_path, says)


def test_a_job_that_takes_too_long_is_ended(api: Api, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"not done after 0\.5 s.*Running.*timeout_seconds"):
        added(tmp_path, "exec sleep 60", 0.5)
    (process,) = api.running.values() or [None]
    assert api.jobs == {}
    assert process is None or process.wait(10)


def test_a_job_without_pods_says_so(api: Api, tmp_path: Path) -> None:
    api.runs = False
    with pytest.raises(PipelineError, match="It has no pods"):
        added(tmp_path, seconds=0.3)
    assert api.jobs == {}


@pytest.fixture
def step(api: Api, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the step in a process of its own, whose job is there and takes its time."""
    processes: list[subprocess.Popen[bytes]] = []

    def started() -> subprocess.Popen[bytes]:
        submits(tmp_path, "exec sleep 60")
        command = [sys.executable, "-m", "tests.pipelines.adding", str(tmp_path)]
        processes.append(subprocess.Popen(command, cwd=ROOT))
        until(lambda: bool(api.running if api.runs else api.jobs))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.wait()


def test_a_step_that_is_cancelled_takes_its_job_along(
    api: Api, step: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    cancelled = step()
    (job,) = api.running.values()
    cancelled.send_signal(signal.SIGTERM)
    assert cancelled.wait(120) == 128 + signal.SIGTERM
    assert api.jobs == {}
    assert job.wait(10) == -signal.SIGTERM
    assert not [*(tmp_path / "trainjobs").iterdir()]


def test_a_step_that_was_killed_is_tried_again_and_takes_its_job_over(
    api: Api,
    step: Callable[[], subprocess.Popen[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed(step())
    (name,) = api.jobs
    monkeypatch.setenv(POD, "step-2")
    monkeypatch.setenv(POD_UID, "uid-2")
    owners: list[str] = []

    def made() -> None:
        """What the job of before leaves, once it has two owners."""
        until(lambda: len(api.jobs[name]["metadata"]["ownerReferences"]) == 2)
        owners.extend(each["uid"] for each in api.jobs[name]["metadata"]["ownerReferences"])
        folder = tmp_path / "trainjobs" / name / "results"
        Metrics({"sum": 3.0}).save(folder / "metrics")
        with api.lock:
            api.say(name, "Complete")

    beside = threading.Thread(target=made)
    beside.start()
    assert added(tmp_path, "exec sleep 60") == {"sum": 3.0}
    beside.join()
    assert owners == ["uid-1", "uid-2"]
    assert [path for method, path in api.asked if method == "POST"] == 2 * [api.asked[0][1]]
    assert api.deleted == [name]


def test_what_a_job_left_whose_step_was_killed_is_taken(
    api: Api, step: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    api.runs = False
    killed(step())
    (name,) = api.jobs
    Metrics({"sum": 4.0}).save(tmp_path / "trainjobs" / name / "results" / "metrics")
    assert added(tmp_path, "exec sleep 60") == {"sum": 4.0}
    assert api.deleted == [name]


def test_a_failed_job_of_an_earlier_try_is_replaced(
    api: Api, step: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    api.runs = False
    killed(step())
    (name,) = api.jobs
    api.say(name, "Failed", "JobsFailed", "evicted")
    api.runs = True
    assert added(tmp_path, DOES) == {"sum": 3.0}
    assert api.deleted == [name, name]


def test_other_inputs_settings_or_runs_are_another_job(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(tmp_path)
    added(tmp_path)
    added(tmp_path, settings='{"seed": 1}')
    monkeypatch.setenv(RUN, "run-2")
    added(tmp_path)
    assert api.deleted[0] == api.deleted[1]
    assert len(set(api.deleted)) == 3


def test_an_api_server_that_is_away_for_a_moment_fails_nothing(api: Api, tmp_path: Path) -> None:
    api.broken = 2
    assert added(tmp_path) == {"sum": 3.0}


def test_a_job_that_others_deleted_is_no_success(api: Api, tmp_path: Path) -> None:
    def gone() -> None:
        until(lambda: bool(api.jobs))
        with api.lock:
            api.delete(next(iter(api.jobs)))

    beside = threading.Thread(target=gone)
    beside.start()
    with pytest.raises(PipelineError, match="deleted by others"):
        added(tmp_path, "exec sleep 60")
    beside.join()


def test_complete_without_results_names_the_volume(api: Api, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="mount the same volume"):
        added(tmp_path, "true")


def test_without_kubernetes_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(PipelineError, match="No Kubernetes"):
        added(tmp_path)


def test_the_compiled_job_is_one_that_kubeflow_takes() -> None:
    cluster = of_example()
    job = parse_json(submission("train_hgnn", cluster) or "")
    manifest = job["manifest"]
    named = {**manifest, "metadata": {**manifest["metadata"], "name": "x"}}
    assert faults(named) == []
    trainer = at(named, "spec.trainer")
    assert trainer["image"] == cluster.images["training"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (2, 2)
    assert trainer["resourcesPerNode"]["limits"] == {
        "cpu": "8",
        "memory": "8Gi",
        "nvidia.com/gpu": "2",
    }
    variables = {each["name"]: each for each in trainer["env"]}
    assert variables["OMP_NUM_THREADS"]["value"] == "4", "cores of a node, shared"
    assert variables["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "colisten-redis"
    (patch,) = named["spec"]["runtimePatches"]
    (node,) = at(patch, "trainingRuntimeSpec.template.spec.replicatedJobs")
    pod = at(node, "template.spec.template.spec")
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "colisten-home"
    assert pod["containers"][0]["volumeMounts"][0]["mountPath"] == "/colisten"
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert submission("train_towers", cluster) is None
    broken = {**named, "spec": {**named["spec"], "podTemplateOverrides": []}}
    assert faults(broken) == ["unknown: spec.podTemplateOverrides"]


def test_a_pipeline_tells_the_step_what_to_submit(tmp_path: Path) -> None:
    cluster = of_example()
    steps = Steps.for_cluster(Settings(threads=8), cluster)
    out = compile_pipeline(make_pipeline("retrain", steps), tmp_path / "p.yaml", cluster)
    spec, platform = documents(out.read_text())
    executors = spec["deploymentSpec"]["executors"]
    variables = {
        each["name"]: each["value"] for each in executors["exec-train-hgnn"]["container"]["env"]
    }
    assert parse_json(variables[TRAIN_JOB])["timeout_seconds"] == 600
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    fields = {each["name"]: each["fieldPath"] for each in pods["exec-train-hgnn"]["fieldPathAsEnv"]}
    assert fields[POD_UID] == "metadata.uid"
    other = [each["name"] for each in executors["exec-train-towers"]["container"]["env"]]
    assert TRAIN_JOB not in other
    # The model depends on how many share a batch, and threads are a process's share of the node.
    read = parse_json(steps.read_by("train_hgnn"))
    assert read["threads"] == 4
    assert read["code"].endswith(" in 4 processes")
    alone = Steps.for_cluster(Settings(threads=8), of_example(nodes=1, processes=1))
    assert "processes" not in parse_json(alone.read_by("train_hgnn"))["code"]


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "storage": ({"home": "s3://bucket/colisten", "volumes": []}, {}, "ReadWriteMany"),
    "account": ({"kubeflow": None}, {}, "service_account"),
    "devices": ({}, {"processes": 3}, "3 processes a node and 2 devices"),
    "cores": ({}, {"limits": {"cpu": "1", "memory": "8Gi"}}, "within 1 cores"),
    "requests": ({}, {"requests": {"cpu": "1", "memory": "9Gi"}}, "more memory than its limit"),
    "time": ({}, {"timeout_seconds": 14400}, r"raise steps\.train_hgnn\.timeout_seconds"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_job_that_could_not_run_is_refused(fault: str) -> None:
    changes, job, said = FAULTS[fault]
    cluster = of_example(**job).model_copy(update=changes)
    with pytest.raises(PipelineError, match=said):
        checked(cluster)


def test_only_what_trains_has_a_job_and_towers_train_in_one_process() -> None:
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["steps"] = {"train_towers": {"trainjob": {"nodes": 2, "timeout_seconds": 60}}}
    with pytest.raises(PipelineError, match="train_towers trains in one"):
        checked(cluster_from(tree))
    tree["steps"] = {"build_graph": {"trainjob": {"timeout_seconds": 60}}}
    with pytest.raises(PipelineError, match="build_graph trains nothing"):
        checked(cluster_from(tree))
    tree["steps"] = {"train_towers": {"trainjob": {"timeout_seconds": 60}}}
    checked(cluster_from(tree))


def checked(cluster: Cluster) -> None:
    settings = Settings()
    check_cluster(
        cluster, index=settings.index, features=settings.features, release=settings.release
    )


def test_the_job_is_told_nothing_of_the_step_that_submits_it() -> None:
    variables = at(
        parse_json(submission("train_hgnn", of_example()) or ""), "manifest.spec.trainer"
    )
    named = {each["name"] for each in variables["env"]}
    assert not named & {TRAIN_JOB, POD, POD_UID, POD_NAMESPACE, RUN}
    assert TRAIN_JOB not in os.environ
