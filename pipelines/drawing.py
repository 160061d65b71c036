"""The graph of a compiled pipeline as Mermaid text, which GitHub and most readers draw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def mermaid(spec: dict[str, Any]) -> str:
    """A flowchart of all tasks; a pipeline inside another is a box, once for each of its tasks.

    An arrow that follows from others is left out.

    Args:
        spec: A PipelineSpec, as compiled.
    """
    return "\n".join(["flowchart TD", *_drawn(spec, spec["root"]["dag"], "", "  ")]) + "\n"


def _drawn(spec: dict[str, Any], dag: dict[str, Any], inside: str, indent: str) -> Iterator[str]:
    tasks = dict(sorted(dag["tasks"].items()))
    for name, task in tasks.items():
        component = spec["components"][task["componentRef"]["name"]]
        node, title = _node(inside, name), task["taskInfo"]["name"]
        if "dag" in component:
            about = " (one for each)" if "parameterIterator" in task else ""
            yield f'{indent}subgraph {node}["{title}{about}"]'
            yield from _drawn(spec, component["dag"], node, f"{indent}  ")
            yield f"{indent}end"
        else:
            yield f'{indent}{node}["{title}"]'
    needs = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    for name, direct in needs.items():
        implied = {far for near in direct for far in _before(near, needs)}
        for each in sorted(direct - implied):
            yield f"{indent}{_node(inside, each)} --> {_node(inside, name)}"


def _before(task: str, needs: dict[str, set[str]]) -> set[str]:
    """All tasks that come before one."""
    return needs[task].union(*(_before(each, needs) for each in needs[task]))


def _node(inside: str, name: str) -> str:
    """A name without signs that mean something to Mermaid."""
    return re.sub(r"\W", "_", f"{inside}_{name}" if inside else name)
