"""Compiling a pipeline to the YAML that a Kubeflow Pipelines cluster takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from colisten.errors import PipelineError
from colisten.files import write_aside


def compile_pipeline(pipeline: Callable[..., Any], out: Path) -> Path:
    """Write `pipeline` as one PipelineSpec document at `out`, checked for dangling references.

    Raises:
        PipelineError: `out` is not a .yaml path, or the specification refers to a component,
            executor or task that it does not define.
    """
    if out.suffix not in {".yaml", ".yml"}:
        raise PipelineError(f"{out} is not a .yaml file.", "Name the output pipeline.yaml.")
    with write_aside(out) as aside:
        draft = aside.with_suffix(".yaml")
        try:
            compiler.Compiler().compile(pipeline, str(draft))
            text = draft.read_text()
        finally:
            draft.unlink(missing_ok=True)
        dangling = dangling_references(yaml.safe_load(text))
        if dangling:
            raise PipelineError(f"Dangling references: {', '.join(dangling)}.")
        aside.write_text(text)
    return out


def dangling_references(spec: dict[str, Any]) -> list[str]:
    """Every component, executor or producer task that is named but not defined."""
    components = spec.get("components", {})
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    dags = {"root": spec["root"]["dag"]}
    dangling: list[str] = []
    for name, component in components.items():
        if "dag" in component:
            dags[name] = component["dag"]
        elif component.get("executorLabel") not in executors:
            dangling.append(f"{name}: executor {component.get('executorLabel')}")
    for name, dag in dags.items():
        tasks = dag.get("tasks", {})
        for task_name, task in tasks.items():
            if task["componentRef"]["name"] not in components:
                dangling.append(f"{name}.{task_name}: component {task['componentRef']['name']}")
            dangling.extend(
                f"{name}.{task_name}: task {producer}"
                for producer in [*task.get("dependentTasks", []), *_producers(task)]
                if producer not in tasks
            )
        for selector in _selectors(dag.get("outputs", {})):
            if selector not in tasks:
                dangling.append(f"{name}: output of task {selector}")
    return dangling


def _producers(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["producerTask"]] if "producerTask" in node else []
        return own + [name for value in node.values() for name in _producers(value)]
    return []


def _selectors(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["producerSubtask"]] if "producerSubtask" in node else []
        return own + [name for value in node.values() for name in _selectors(value)]
    if isinstance(node, list):
        return [name for value in node for name in _selectors(value)]
    return []
