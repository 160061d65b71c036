"""What each extra brings in, followed through the installed packages' own requirements."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(extra: str) -> set[str]:
    """Every package that `pip install colisten[extra]` installs here."""
    seen: set[tuple[str, str]] = set()
    waiting = [("colisten", extra), ("colisten", "")]
    while waiting:
        name, chosen = waiting.pop()
        if (name, chosen) in seen:
            continue
        seen.add((name, chosen))
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": chosen}):
                needed = canonicalize_name(requirement.name)
                waiting += [(needed, ""), *((needed, wanted) for wanted in requirement.extras)]
    return {name for name, _ in seen}


@pytest.mark.parametrize(
    ("extra", "wanted", "unwanted"),
    [
        ("serving", {"bentoml"}, {"kfp", "evidently", "torch", "torch-geometric", "onnx"}),
        ("training", {"torch"}, {"bentoml", "kfp", "evidently"}),
        ("monitoring", {"evidently"}, {"bentoml", "kfp", "torch"}),
        ("pipelines", {"kfp", "torch", "evidently"}, {"bentoml"}),
    ],
)
def test_an_extra_carries_what_it_needs_and_no_more(
    extra: str, wanted: set[str], unwanted: set[str]
) -> None:
    brought = closure(extra)
    assert wanted <= brought
    assert not unwanted & brought
