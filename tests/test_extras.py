"""What each extra brings in, followed through the installed packages' own requirements."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from colisten.errors import ConfigError
from colisten.extras import EXTRA_OF, needs

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def lines_of(name: str, extra: str) -> list[str]:
    """Requirements of a package; our own as pyproject.toml has them now."""
    if name != "colisten":
        return requires(name) or []
    more = PROJECT["optional-dependencies"][extra] if extra else []
    return [*PROJECT["dependencies"], *more]


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
            lines = lines_of(name, chosen)
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
        ("", {"duckdb", "onnxruntime"}, {"feast", "pymilvus", "torch", "kfp", "bentoml"}),
        ("feast", {"feast"}, {"pymilvus", "torch"}),
        ("milvus", {"pymilvus", "milvus-lite"}, {"feast", "torch"}),
        (
            "serving",
            {"bentoml", "feast", "pymilvus"},
            {"kfp", "evidently", "torch", "torch-geometric", "onnx"},
        ),
        ("training", {"torch"}, {"bentoml", "kfp", "evidently", "feast", "pymilvus"}),
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


@pytest.mark.parametrize(
    ("module", "blocked"),
    [
        ("colisten.features.store", "feast"),
        ("colisten.index.milvus", "pymilvus"),
        ("colisten.sampling.multilink", "torch"),
        ("colisten.models.hgnn", "torch"),
        ("colisten.monitoring.drift", "evidently"),
        ("colisten.serving.service", "bentoml"),
        ("colisten.pipelines.release_pipeline", "kfp"),
    ],
)
def test_without_a_package_the_error_names_its_extra(module: str, blocked: str) -> None:
    code = (
        f"import sys; sys.modules[{blocked!r}] = None\n"
        "from importlib import import_module\n"
        "from colisten.errors import ConfigError\n"
        f"try: import_module({module!r})\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'colisten[{EXTRA_OF[blocked]}]'" in done.stdout


def test_two_packages_are_asked_for_in_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch", "feast")
    for package in ("torch", "torch_geometric", "feast"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"'colisten\[training,feast\]'"):
        needs("torch", "torch_geometric", "feast")
