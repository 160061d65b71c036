"""What each extra brings in, followed through the installed packages' own requirements."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from colisten.errors import ConfigError
from colisten.extras import EXTRA_OF, needs

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"colisten", "components", "pipelines", "feature_repo", "serving", "monitoring", "cli"}
# Whoever lacks it runs the same functions without.
FALLBACK = "numba"
# Imports every module as if the packages named on the command line were not installed.
IMPORT_ALL = """
import sys
from importlib import import_module
from pkgutil import walk_packages

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import colisten
from colisten.errors import ConfigError

for module in walk_packages(colisten.__path__, "colisten.", onerror=lambda name: None):
    if module.name.endswith("__main__"):
        continue
    try:
        import_module(module.name)
    except ConfigError as error:
        assert "pip install 'colisten[" in str(error), error
        print("refused", module.name)
    except ModuleNotFoundError as error:
        print("broken", module.name, error.name)
    else:
        print("imported", module.name)
"""


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
        ("colisten.monitoring.drift", "datasketches"),
        ("colisten.monitoring.evidently_drift", "evidently"),
        ("colisten.serving.service", "bentoml"),
        ("colisten.serving.worker", "starlette"),
        ("colisten.pipelines.retrain", "kfp"),
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


def brought_by(extra: str) -> set[str]:
    """Names to import that come with an extra."""
    packages = closure(extra)
    return {
        name
        for name, owners in packages_distributions().items()
        if packages & {canonicalize_name(owner) for owner in owners}
    }


def unnamed(node: ast.AST, optional: set[str], named: set[str]) -> Iterator[str]:
    """Optional packages imported below a node where no `needs` has named them."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Import):
            modules = [alias.name for alias in part.names]
        elif isinstance(part, ast.ImportFrom):
            modules = [part.module or ""]
        elif isinstance(part, ast.If) and "TYPE_CHECKING" in ast.unparse(part.test):
            continue
        elif isinstance(part, ast.Try) and any(
            handler.type is not None and "ImportError" in ast.unparse(handler.type)
            for handler in part.handlers
        ):
            continue  # the same function goes on without it
        else:
            if isinstance(part, ast.Expr):
                named = named | needed(part.value)
            yield from unnamed(part, optional, named)
            continue
        yield from sorted({name.partition(".")[0] for name in modules} & optional - named)


def needed(call: ast.expr) -> set[str]:
    """What a call of `needs` names."""
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "needs":
        return set()
    return {str(ast.literal_eval(argument)) for argument in call.args}


def named_around(file: Path) -> set[str]:
    """What the packages that a module lies in need, which Python imports before it."""
    files = [folder / "__init__.py" for folder in file.parents if folder.is_relative_to(ROOT)]
    trees = [ast.parse(each.read_text()) for each in files if each.exists() and each != file]
    return {
        name
        for tree in trees
        for statement in tree.body
        if isinstance(statement, ast.Expr)
        for name in needed(statement.value)
    }


def test_every_optional_import_is_named_before() -> None:
    plain = brought_by("") | set(sys.stdlib_module_names) | OURS | {FALLBACK}
    optional = (set(packages_distributions()) | set(EXTRA_OF)) - plain
    files = [file for room in sorted(OURS) for file in sorted((ROOT / room).rglob("*.py"))]
    wrong = {
        file.relative_to(ROOT).as_posix(): names
        for file in files
        if (names := [*unnamed(ast.parse(file.read_text()), optional, named_around(file))])
    }
    assert not wrong, "call colisten.extras.needs before these are imported"


@pytest.mark.parametrize(
    "text",
    [
        "import torch",
        "from torch.nn import functional",
        "import torch\nneeds('torch')",
        "def train():\n    import torch",
        "def other():\n    needs('torch')\ndef train():\n    import torch",
    ],
)
def test_an_import_that_nothing_names_is_noticed(text: str) -> None:
    assert [*unnamed(ast.parse(text), {"torch"}, set())] == ["torch"]


@pytest.mark.parametrize(
    "text",
    [
        "needs('torch')\nimport torch",
        "needs('torch')\ndef train():\n    import torch",
        "def train():\n    needs('feast', 'torch')\n    import torch",
        "if TYPE_CHECKING:\n    import torch",
    ],
)
def test_an_import_that_is_named_passes(text: str) -> None:
    assert not [*unnamed(ast.parse(text), {"torch"}, set())]


@pytest.mark.parametrize("extra", ["", "serving", "monitoring"])
def test_every_module_is_imported_or_names_its_extra(extra: str) -> None:
    missing = sorted(set(packages_distributions()) - brought_by(extra) - OURS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, *missing],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert not [line for line in lines if line[0] == "broken" and line[-1] != FALLBACK]
    assert ["refused", "colisten.models.towers"] in lines
    for room in ("graph.build", "ranking.recommend"):
        assert ["imported", f"colisten.{room}"] in lines
