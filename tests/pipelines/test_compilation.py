from __future__ import annotations

import copy
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from colisten.components.image import STEP_TARGETS
from colisten.errors import ConfigError, PipelineError
from colisten.pipelines.checks import MOST_BYTES, check_cluster, dangling_references, spec_faults
from colisten.pipelines.compilation import compile_pipeline, documents
from colisten.pipelines.parameters import Steps
from colisten.pipelines.placing import NOT_REPEATED
from colisten.pipelines.registry import PIPELINES, make_pipeline
from colisten.settings.cluster import Cluster, cluster_from, load_cluster
from colisten.settings.tree import Settings, load_settings
from colisten.steps.execution import input_types, result_types
from colisten.steps.registry import STEPS, step_named
from colisten.steps.settings import settings_of
from colisten.threads import COUNTS, POLICY

EXAMPLE = Path("docs/cluster.yaml")
CRDS = Path(__file__).parent / "kubeflow_crds.yaml"
READING = {"plan-run", "check-tables", "embed-text", "build-features"}
FITTING = {"build-graph", "inspect-graph", "build-training-rows", "train-towers"}
LEARNING = READING | FITTING
JUDGING = {"evaluate", "gate", "publish", "report"}
COMPONENTS = {
    "retrain": LEARNING | JUDGING | {"train-hgnn", "recommend"},
    "refresh": LEARNING | JUDGING | {"take-released", "embed-items"},
    "monitor": READING | {"watch-drift"},
    "backfill": LEARNING | {"train-hgnn", "evaluate"},
    "trials": LEARNING | {"train-hgnn", "list-trials", "read-trial", "rank", "compare"},
}
NAMES = tuple(PIPELINES)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return load_cluster(EXAMPLE)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every pipeline as it is compiled without a cluster."""
    folder = tmp_path_factory.mktemp("plain")
    return {name: compiled(name, folder, None)[0] for name in NAMES}


@pytest.fixture(scope="module")
def placed(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Every pipeline for the cluster of the example: its specification, and its pods."""
    folder = tmp_path_factory.mktemp("placed")
    return {name: compiled(name, folder, cluster) for name in NAMES}


def compiled(
    name: str, folder: Path, cluster: Cluster | None, settings: Settings | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    steps = Steps.for_cluster(settings or Settings(), cluster)
    out = compile_pipeline(make_pipeline(name, steps), folder / f"{name}.yaml", cluster)
    return documents(out.read_text())


def steps_of(spec: dict[str, Any]) -> set[str]:
    return {
        re.sub(r"(-\d+)*$", "", name.removeprefix("exec-"))
        for name, executor in spec["deploymentSpec"]["executors"].items()
        if "container" in executor
    }


def executors_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_is_a_pipeline_spec_that_asks_for_little(
    plain: dict[str, dict[str, Any]], name: str
) -> None:
    parsed = json_format.ParseDict(plain[name], pipeline_spec_pb2.PipelineSpec())
    assert parsed.pipeline_info.name == f"colisten-{name}"
    asked = parsed.root.input_definitions.parameters
    needed = {each for each, parameter in asked.items() if not parameter.is_optional}
    more = {"trials", "subject"} if name == "trials" else set()
    assert needed == {"data", "cuts" if name == "backfill" else "cut"} | more


def test_every_component_folder_is_a_step(
    plain: dict[str, dict[str, Any]], placed: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    for name in NAMES:
        assert steps_of(plain[name]) == COMPONENTS[name]
        assert steps_of(placed[name][0]) == COMPONENTS[name] | {"notify"}
    folders = {path.parent.name for path in Path("components").glob("*/component.py")}
    assert folders == set(STEP_TARGETS) == {*STEPS, "notify"}
    assert set.union(*COMPONENTS.values()) == {each.replace("_", "-") for each in STEPS}


def test_a_refresh_trains_no_hgnn(plain: dict[str, dict[str, Any]]) -> None:
    assert "train_hgnn" not in yaml.safe_dump(plain["refresh"])


@pytest.mark.parametrize("name", STEPS)
def test_a_component_takes_and_leaves_what_its_step_does(name: str) -> None:
    component = getattr(importlib.import_module(f"components.{name}.component"), name)
    step = step_named(name)
    inputs = set(input_types(step)) - set(settings_of(step, Settings()))
    assert set(component.component_spec.inputs) == {*inputs, "settings"}
    assert set(component.component_spec.outputs) == set(result_types(step))
    assert len(inspect.getsource(component.python_func).splitlines()) < 35


def test_trials_come_as_an_artifact_and_run_side_by_side(
    tmp_path: Path, plain: dict[str, dict[str, Any]]
) -> None:
    for spec, limit in (
        (plain["trials"], 1),
        (documents(_four_at_a_time(tmp_path).read_text())[0], 4),
    ):
        tasks = spec["root"]["dag"]["tasks"]
        assert tasks["importer"]["inputs"]["parameters"]["uri"] == {
            "componentInputParameter": "trials"
        }
        (loop,) = [task for task in tasks.values() if "parameterIterator" in task]
        assert loop["iteratorPolicy"] == {"parallelismLimit": limit}
        assert "for-loop-1" in tasks["compare"]["dependentTasks"]


def _four_at_a_time(folder: Path) -> Path:
    steps = Steps.for_cluster(Settings(), None)
    pipeline = make_pipeline("trials", steps, parallelism=4)
    return compile_pipeline(pipeline, folder / "trials.yaml")


def test_dangling_references_are_found(plain: dict[str, dict[str, Any]]) -> None:
    spec = plain["retrain"]
    broken = copy.deepcopy(spec)
    del broken["components"]["comp-gate"]
    assert any("comp-gate" in found for found in dangling_references(broken))
    broken = copy.deepcopy(spec)
    task = broken["root"]["dag"]["tasks"]["embed-text"]
    task["inputs"]["artifacts"]["history"]["taskOutputArtifact"]["producerTask"] = "nobody"
    assert dangling_references(broken) == ["root.embed-text: task nobody"]
    broken = copy.deepcopy(spec)
    broken["components"]["comp-gate"]["executorLabel"] = "exec-nobody"
    assert dangling_references(broken) == ["comp-gate: executor exec-nobody"]


@pytest.mark.parametrize("name", NAMES)
def test_steps_install_nothing_and_name_their_image(
    plain: dict[str, dict[str, Any]], name: str
) -> None:
    for each, executor in plain[name]["deploymentSpec"]["executors"].items():
        if "importer" in executor:
            continue
        container = executor["container"]
        step = re.sub(r"(-\d+)*$", "", each.removeprefix("exec-")).replace("-", "_")
        assert container["image"].startswith(f"colisten/{STEP_TARGETS[step]}:")
        assert "pip install" not in " ".join(container["command"])


def test_only_yaml_is_written(tmp_path: Path) -> None:
    pipeline = make_pipeline("monitor", Steps.for_cluster(Settings(), None))
    with pytest.raises(PipelineError, match=r"\.yaml"):
        compile_pipeline(pipeline, tmp_path / "pipeline.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_has_digest_resources_timeout_and_retries_or_a_reason(
    placed: dict[str, tuple[dict[str, Any], dict[str, Any]]], cluster: Cluster, name: str
) -> None:
    spec, platform = placed[name]
    assert spec_faults(spec, platform, cluster=cluster) == []
    pods = executors_of(platform)
    retried = {
        spec["components"][task["componentRef"]["name"]].get("executorLabel")
        for dag in [spec["root"]["dag"], *(c.get("dag", {}) for c in spec["components"].values())]
        for task in dag.get("tasks", {}).values()
        if task.get("retryPolicy", {}).get("maxRetryCount")
    }
    seen = 0
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "importer" in executor:
            continue
        seen += 1
        step = re.sub(r"(-\d+)*$", "", label.removeprefix("exec-")).replace("-", "_")
        container, pod = executor["container"], cluster.pod_of(step)
        assert container["image"] == cluster.images[STEP_TARGETS[step]]  # type: ignore[index]
        assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])
        assert container["resources"]["resourceMemoryLimit"] == pod.limits.memory
        assert container["resources"]["resourceCpuRequest"] == pod.requests.cpu
        assert pods[label]["activeDeadlineSeconds"] == str(pod.timeout_seconds)
        assert (label in retried) == (step not in NOT_REPEATED)
        assert all(NOT_REPEATED.values())
        assert pods[label]["pvcMount"][0]["mountPath"] == "/colisten"
        variables = {each["name"]: each["value"] for each in container["env"]}
        cores = str(max(1, int(pod.limits.cores)))
        assert variables.items() >= {**POLICY, **dict.fromkeys(COUNTS, cores)}.items()
    assert seen >= len(COMPONENTS[name])


def test_what_a_step_needs_more_of_it_gets(
    placed: dict[str, tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    spec, platform = placed["retrain"]
    resources = spec["deploymentSpec"]["executors"]["exec-train-hgnn"]["container"]["resources"]
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    pod = executors_of(platform)["exec-train-hgnn"]
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["nodeSelector"] == {"labels": {"pool": "gpu"}}
    told = executors_of(platform)["exec-notify"]["secretAsEnv"]
    assert told[-1]["keyToEnv"][0]["envVar"] == "COLISTEN_WEBHOOK"
    everywhere = [each["secretAsEnv"][0]["secretName"] for each in executors_of(platform).values()]
    assert set(everywhere) == {"colisten-redis"}


def test_threads_and_memory_are_within_the_limits_of_the_pod(cluster: Cluster) -> None:
    small = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    tree = cluster.model_dump() | {"steps": {"build_graph": small, "train_hgnn": small}}
    steps = Steps.for_cluster(Settings(threads=8), cluster_from(tree))
    assert '"threads": 1' in steps.read_by("train_hgnn")
    assert '"memory_limit": "1073MB"' in steps.read_by("build_graph")
    assert '"threads": 2' in steps.read_by("train_towers")
    assert '"memory_limit": "3GB"' in Steps.for_cluster(
        Settings(memory_limit="3GB"), cluster_from(tree)
    ).read_by("build_graph")


def test_a_cached_step_is_of_the_same_image(cluster: Cluster, tmp_path: Path) -> None:
    tree = cluster.model_dump()
    other = cluster_from(tree | {"images": tree["images"] | {"training": f"t@sha256:{'9' * 64}"}})
    reads = [Steps.for_cluster(Settings(), each).read_by for each in (cluster, other)]
    assert f'"code": "sha256:{"9" * 64}"' in reads[1]("train_hgnn")
    assert reads[0]("train_hgnn") != reads[1]("train_hgnn")
    assert reads[0]("build_graph") == reads[1]("build_graph")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_larger_than_kubeflow_takes(
    placed: dict[str, tuple[dict[str, Any], dict[str, Any]]], name: str
) -> None:
    spec = placed[name][0]
    constants = [
        value["runtimeValue"]["constant"]
        for dag in [spec["root"]["dag"], *(c.get("dag", {}) for c in spec["components"].values())]
        for task in dag.get("tasks", {}).values()
        for value in task.get("inputs", {}).get("parameters", {}).values()
        if "constant" in value.get("runtimeValue", {})
    ]
    assert 500 < max(len(str(each)) for each in constants) < MOST_BYTES


def test_a_constant_that_is_too_large_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    types = [f"{'type' * 15}{number}" for number in range(140)]
    settings = load_settings(None, (f"data.context_types={types}",))
    with pytest.raises(PipelineError, match=r"bytes, and Kubeflow takes 10,000"):
        compiled("retrain", tmp_path, cluster, settings)
    assert list(tmp_path.iterdir()) == []


FAULTS = {
    "images": ({"light": "colisten/light:latest"}, "light:latest.*name@sha256:digest"),
    "home": ("/home/me/out", "home is /home/me/out.*mount a claim"),
    "scratch": ("/tmp/x", "scratch is /tmp/x.*mount a claim"),
    "serving_replicas": (2, "SQLite.*features.online_store=redis"),
    "steps": ({"train_hgn": {}}, "train_hgnn"),
    "pod": ({"retries": 0}, "never tried again"),
}


@pytest.mark.parametrize("field", FAULTS)
def test_what_cannot_run_is_refused_with_what_to_set(cluster: Cluster, field: str) -> None:
    value, said = FAULTS[field]
    settings = Settings()
    sections = {
        "index": settings.index,
        "features": settings.features,
        "release": settings.release,
    }
    check_cluster(cluster, **sections)  # type: ignore[arg-type]
    broken = cluster_from(cluster.model_dump(exclude_unset=True) | {field: value})
    with pytest.raises(PipelineError, match=rf"(?s){said}"):
        check_cluster(broken, **sections)  # type: ignore[arg-type]


def test_what_lies_on_one_machine_is_refused(cluster: Cluster) -> None:
    settings = load_settings(None, ("index.backend=milvus", "release.signing_key=/root/key.pem"))
    with pytest.raises(PipelineError, match=r"signing_key is /root(?s:.*)Milvus Lite.*index.uri"):
        check_cluster(
            cluster, index=settings.index, features=settings.features, release=settings.release
        )
    store = cluster.model_dump() | {"home": "s3://bucket/colisten"}
    settings = Settings()
    with pytest.raises(PipelineError, match="object store holds no such file"):
        check_cluster(
            cluster_from(store),
            index=settings.index,
            features=settings.features,
            release=settings.release,
        )


def test_a_cluster_file_is_read_or_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    with pytest.raises(ConfigError, match="Cannot read"):
        load_cluster(file)
    file.write_text("home: /colisten\nimage: x")
    with pytest.raises(ConfigError, match=r"images does not fit: field required"):
        load_cluster(file)
    file.write_text("images: {light: a}\nhome: /c\npod: {limits: {cpu: many, memory: 1Gi}}")
    with pytest.raises(ConfigError, match=r"pod\.limits\.cpu does not fit"):
        load_cluster(file)


@pytest.mark.parametrize("name", NAMES)
def test_the_resources_are_those_that_kubeflow_defines(
    cluster: Cluster, tmp_path: Path, name: str
) -> None:
    schemas = {each["kind"]: each for each in yaml.safe_load(CRDS.read_text())["kinds"]}
    steps = Steps.for_cluster(Settings(), cluster)
    pipeline = make_pipeline(name, steps)
    out = compile_pipeline(pipeline, tmp_path / "m.yaml", cluster, manifest=True)
    made = list(yaml.safe_load_all(out.read_text()))
    assert [each["kind"] for each in made] == ["Pipeline", "PipelineVersion"]
    for each in made:
        schema = schemas[each["kind"]]
        assert each["apiVersion"] == schema["apiVersion"]
        assert set(each) <= {"apiVersion", "kind", "metadata", "spec"}
        assert set(schema["required"]) <= set(each["spec"]) <= set(schema["fields"])
        assert all(isinstance(each["spec"][text], str) for text in schema["texts"] if text in each)
        # As Kubernetes takes names.
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", each["metadata"]["name"])
        assert each["metadata"]["namespace"] == "kubeflow"
    version = made[1]["spec"]
    assert version["pipelineName"] == made[0]["metadata"]["name"] == f"colisten-{name}"
    json_format.ParseDict(version["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(version["platformSpec"], pipeline_spec_pb2.PlatformSpec())
    # Another content is another version: one cannot be changed.
    again = compile_pipeline(
        make_pipeline(name, Steps.for_cluster(Settings(seed=1), cluster)),
        tmp_path / "n.yaml",
        cluster,
        manifest=True,
    )
    versions = [list(yaml.safe_load_all(file.read_text()))[1] for file in (out, again)]
    assert versions[0]["metadata"]["name"] != versions[1]["metadata"]["name"]
