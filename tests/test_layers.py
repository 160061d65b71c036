"""The import rule of docs/architecture.md, read from the source and from a running process."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STEPS = ROOT / "colisten" / "steps"
FRONT_DOOR = ROOT / "colisten" / "__init__.py"
COMMAND = ROOT / "colisten" / "__main__.py"
SIBLINGS = {"feature_repo", "serving", "monitoring"}
# A room may import itself and these.
MAY_IMPORT: dict[str, set[str]] = {
    "colisten": set(),
    "feature_repo": {"colisten"},
    "serving": {"colisten"},
    "monitoring": {"colisten"},
    "components": {"colisten", *SIBLINGS},
    "pipelines": {"colisten", "components", *SIBLINGS},
    "cli": {"colisten", "components", "pipelines", *SIBLINGS},
    "benchmarks": {"colisten", "feature_repo", "monitoring", "serving"},
}
FORBIDDEN_LIBRARIES: dict[str, set[str]] = {
    "colisten": {"kfp", "bentoml", "evidently", "kubernetes"},
    "feature_repo": {"kfp", "bentoml", "evidently", "kubernetes", "torch"},
    "serving": {"kfp", "torch", "torch_geometric", "evidently", "kubernetes"},
    "monitoring": {"kfp", "bentoml", "torch", "kubernetes"},
}


def imports(file: Path) -> set[str]:
    """Top-level and inner imports of a file, as full dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def room_of(module: str) -> str | None:
    """The room of a module: in the package, five of them stand beside the library."""
    names = module.split(".")
    if names[0] == "colisten" and len(names) > 1 and names[1] in MAY_IMPORT:
        return names[1]
    return names[0] if names[0] in MAY_IMPORT else None


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    assert files(room), f"{room} is empty"
    for file in files(room):
        if file == COMMAND:
            continue
        rooms = set(filter(None, map(room_of, imports(file))))
        allowed = MAY_IMPORT[room] | {room}
        if STEPS in file.parents:
            # The library's outermost room: nothing else of the library may import it.
            allowed = allowed | {"feature_repo", "monitoring"}
        assert rooms <= allowed, f"{file}: {rooms - allowed}"


def test_no_other_room_of_the_library_imports_the_steps() -> None:
    for file in files("colisten"):
        if STEPS not in file.parents and file != FRONT_DOOR:
            assert not {name for name in imports(file) if name.startswith("colisten.steps")}, file


@pytest.mark.parametrize("room", FORBIDDEN_LIBRARIES)
def test_a_room_knows_only_its_libraries(room: str) -> None:
    for file in files(room):
        libraries = {name.split(".")[0] for name in imports(file)}
        assert not libraries & FORBIDDEN_LIBRARIES[room], file


def test_a_room_is_named_inside_the_package() -> None:
    for room in MAY_IMPORT.keys() - {"colisten", "benchmarks"}:
        assert (ROOT / "colisten" / room).resolve() == ROOT / room
    for file in (file for room in (*MAY_IMPORT, "tests") for file in files(room)):
        outside = {name.split(".")[0] for name in imports(file)}
        assert not outside & (MAY_IMPORT.keys() - {"colisten", "benchmarks"}), file


def test_nothing_imports_relatively() -> None:
    for room in MAY_IMPORT:
        for file in files(room):
            for node in ast.walk(ast.parse(file.read_text())):
                assert not (isinstance(node, ast.ImportFrom) and node.level), file


@pytest.mark.slow
def test_the_service_loads_no_training_code() -> None:
    code = (
        "import sys, colisten.serving.worker\n"
        "bad = {'torch', 'kfp', 'evidently', 'colisten.training', 'colisten.sampling'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        # BentoML's arbiter answers nobody; its workers load what does, each for itself.
        (
            "import colisten.serving.launch, colisten.serving.service",
            {"colisten.serving.app", "colisten.serving.runtime", "feast", "scipy"},
        ),
        (
            "from colisten.cli.app import program; program('settings')",
            {"colisten.cli.demo", "colisten.cli.check", "pandas", "scipy", "duckdb"},
        ),
        (
            "from colisten.cli.app import program; program('serve')",
            {"colisten.cli.demo", "colisten.cli.check", "pandas", "scipy", "feast"},
        ),
        (
            "from colisten.text import encoders; encoders.load_encoder('minilm').encode(['a'], 1)",
            {"sentence_transformers", "transformers", "sklearn", "scipy"},
        ),
        (
            "import colisten.training.hgnn.train, colisten.baselines.registry",
            {"torch_geometric", "sklearn", "transformers"},
        ),
    ],
    ids=["arbiter", "settings", "serve", "encoder", "training"],
)
def test_what_starts_often_loads_little(code: str, unwanted: set[str]) -> None:
    ask = f"{code}\nimport sys; print(sorted({unwanted!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
