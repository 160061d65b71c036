"""The front door: a short list of names, as documented, that costs nothing until it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import colisten

PAGE = (Path(__file__).parent.parent / "docs/library.md").read_text()
HEAVY = ("torch", "feast", "pymilvus", "milvus_lite", "duckdb", "pandas", "onnxruntime", "numpy")


def test_the_list_is_the_documented_one() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(documented) == sorted(colisten.__all__)
    assert set(colisten.__all__) <= set(dir(colisten))


def test_every_name_is_there_and_says_what_it_is() -> None:
    for name in colisten.__all__:
        value = getattr(colisten, name)
        assert value.__doc__, name
        assert not value.__doc__.startswith(f"{name}("), f"{name} has the docstring of a dataclass"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(colisten, "recommend_everything")


def test_the_import_brings_in_nothing_heavy() -> None:
    code = f"import sys, colisten; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
