from __future__ import annotations

import copy
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from colisten.errors import PipelineError
from colisten.pipelines.compilation import compile_pipeline, dangling_references
from colisten.pipelines.release_pipeline import release_pipeline
from colisten.pipelines.trials_pipeline import make_trials_pipeline, trials_pipeline
from colisten.settings.tree import Settings
from colisten.steps.execution import input_types, result_types
from colisten.steps.registry import STEPS, step_named
from colisten.steps.settings import settings_of

LEARNING = {
    "inspect-graph",
    "check-tables",
    "embed-text",
    "build-features",
    "build-graph",
    "train-hgnn",
    "build-training-rows",
    "train-towers",
}
COMPONENTS = {
    "colisten-release": LEARNING | {"evaluate", "gate", "publish", "recommend", "report"},
    "colisten-trials": LEARNING | {"rank", "compare"},
}


def compiled(pipeline: Any, folder: Path) -> dict[str, Any]:
    out = compile_pipeline(pipeline, folder / "pipeline.yaml")
    documents = list(yaml.safe_load_all(out.read_text()))
    assert len(documents) == 1
    return dict(documents[0])


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return compiled(release_pipeline, tmp_path_factory.mktemp("spec"))


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return compiled(trials_pipeline, tmp_path_factory.mktemp("spec"))


def test_the_yaml_is_a_pipeline_spec(spec: dict[str, Any]) -> None:
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert parsed.pipeline_info.name == "colisten-release"
    assert set(parsed.root.input_definitions.parameters) >= {"data", "cut", "window_days", "home"}


def test_every_component_folder_is_a_step(spec: dict[str, Any], trials: dict[str, Any]) -> None:
    for each in (spec, trials):
        used = {
            name.removeprefix("comp-").rstrip("-0123456789")
            for name, component in each["components"].items()
            if "executorLabel" in component
        }
        assert used == COMPONENTS[each["pipelineInfo"]["name"]]
    folders = {path.parent.name for path in Path("components").glob("*/component.py")}
    assert {name.replace("_", "-") for name in folders} == set.union(*COMPONENTS.values())


@pytest.mark.parametrize("name", STEPS)
def test_a_component_takes_and_leaves_what_its_step_does(name: str) -> None:
    component = getattr(importlib.import_module(f"components.{name}.component"), name)
    step = step_named(name)
    inputs = set(input_types(step)) - set(settings_of(step, Settings()))
    assert set(component.component_spec.inputs) == {*inputs, "settings"}
    assert set(component.component_spec.outputs) == set(result_types(step))
    assert len(inspect.getsource(component.python_func).splitlines()) < 35


def test_every_reference_is_resolved(spec: dict[str, Any], trials: dict[str, Any]) -> None:
    assert dangling_references(spec) == []
    assert dangling_references(trials) == []


def test_trials_are_a_parameter_and_meet_in_one_table(trials: dict[str, Any]) -> None:
    parsed = json_format.ParseDict(trials, pipeline_spec_pb2.PipelineSpec())
    assert set(parsed.root.input_definitions.parameters) >= {
        "trials",
        "subject",
        "compare_settings",
    }
    assert set(parsed.root.output_definitions.artifacts) == {"table", "page"}
    tasks = trials["root"]["dag"]["tasks"]
    (loop,) = [task for task in tasks.values() if "parameterIterator" in task]
    assert loop["iteratorPolicy"] == {"parallelismLimit": 1}
    assert "for-loop-1" in tasks["compare"]["dependentTasks"]


def test_a_cluster_runs_trials_at_the_same_time(tmp_path: Path) -> None:
    tasks = compiled(make_trials_pipeline(4), tmp_path)["root"]["dag"]["tasks"]
    (loop,) = [task for task in tasks.values() if "parameterIterator" in task]
    assert loop["iteratorPolicy"] == {"parallelismLimit": 4}


def test_dangling_references_are_found(spec: dict[str, Any]) -> None:
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


def test_steps_install_nothing_and_name_their_image(spec: dict[str, Any]) -> None:
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor["container"]
        assert container["image"].startswith("colisten/")
        assert "pip install" not in " ".join(container["command"])


def test_only_yaml_is_written(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"\.yaml"):
        compile_pipeline(release_pipeline, tmp_path / "pipeline.txt")
    assert list(tmp_path.iterdir()) == []
