"""Every model has a point and a name of its own place; nothing lies outside the picture."""

from __future__ import annotations

import re
from html import unescape

import numpy as np

from colisten.config import settings_from
from colisten.evaluation.rankers import RandomRanker, Ranker
from colisten.evaluation.table import evaluate
from colisten.reports.scatter import _CHARACTER, _HEIGHT, _WIDTH, scatter
from tests.evaluation.conftest import Scores, perfect, random_set

SETTINGS = settings_from({"evaluation": {"bootstrap": 50, "depth": 20}})
NUMBER = r"(-?[\d.]+)"


def drawing() -> str:
    data = random_set(100, 300)
    rng = np.random.default_rng(0)
    matrix = perfect(data).matrix
    rankers: list[Ranker] = [
        Scores(f"model <{at}>", matrix + (0.4 + 0.01 * at) * rng.normal(size=matrix.shape))
        for at in range(8)
    ]
    rankers += [Scores("flat", np.zeros((100, 300))), RandomRanker(300)]
    return scatter(evaluate(rankers, data, SETTINGS, 0))


def test_every_model_is_there_and_inside() -> None:
    drawn = drawing()
    names = unescape(drawn)
    for name in ("flat", "random", *(f"model <{at}>" for at in range(8))):
        assert f">{name}</text>" in names
    assert drawn.count("<circle") == 10
    for x, y in re.findall(rf'cx="{NUMBER}" cy="{NUMBER}"', drawn):
        assert 0 <= float(x) <= _WIDTH
        assert 0 <= float(y) <= _HEIGHT


def test_names_of_models_that_stand_close_do_not_cover_each_other() -> None:
    text = rf'<text(?: class="name")? x="{NUMBER}" y="{NUMBER}" text-anchor="(start|end)">([^<]+)<'
    boxes = []
    for x, y, anchor, name in re.findall(text, drawing()):
        if "→" in name:
            continue
        width = _CHARACTER * len(unescape(name))
        left = float(x) - (width if anchor == "end" else 0.0)
        boxes.append((left, float(y) - 9, left + width, float(y) + 2))
    assert len(boxes) == 10
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            apart = one[0] >= other[2] or other[0] >= one[2]
            assert apart or one[1] >= other[3] or other[1] >= one[3]
