"""Loaded code is looked through once, and the process of whoever calls the library is its own."""

from __future__ import annotations

import subprocess
import sys

LOADS = "import pandas; search(); print(before, gc.get_threshold(), gc.get_freeze_count() > 50_000)"
SETTLED = "before = gc.get_threshold(); import colisten; from colisten.garbage import *"


def said(*lines: str) -> str:
    code = "\n".join(["import gc", SETTLED, *lines])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_process_of_ours_searches_rarely_and_not_what_it_loaded() -> None:
    before, _, after = said("search_rarely()", LOADS).partition(") ")
    assert before == "(700, 10, 10"
    assert after == "(50000, 20, 100) True"


def test_somebody_elses_process_stays_as_it_was() -> None:
    assert said(LOADS) == "(700, 10, 10) (700, 10, 10) False"


def test_cycles_that_were_made_after_loading_are_found() -> None:
    lines = (
        "import weakref, pandas; search_rarely(); search()",
        "class Node: pass",
        "node = Node(); node.itself = node; seen = weakref.ref(node); del node",
        "search(); print(seen() is None)",
    )
    assert said(*lines) == "True"
