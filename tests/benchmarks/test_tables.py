"""Tables of the pages are what the committed results give, whatever those say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import pairs, public_tables, tables
from benchmarks.public import MEASUREMENTS
from benchmarks.public_sets import IFDB
from colisten.errors import ReportError

EVERY = [*MEASUREMENTS.values()]
FOOD = MEASUREMENTS[tables.COMPARED]
MODELS = ("random", "2T", "2T-HGNN", "ALS", "popularity")
SHARE = st.none() | st.integers(0, 10_000).map(lambda number: number / 10_000)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the committed results."""
    monkeypatch.setattr(pairs, "RESULTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", tables.TABLES)
def test_a_page_holds_what_the_results_give(page: str) -> None:
    text = (tables.ROOT / page).read_text()
    assert tables.renewed(page, text) == text, "run python -m benchmarks tables"


@pytest.mark.parametrize("lost", ["<!-- public sets: python", "<!-- end of public sets"])
def test_a_page_without_a_place_for_its_table_is_refused(lost: str) -> None:
    text = (tables.ROOT / "README.md").read_text()
    with pytest.raises(ReportError, match="no single place for the table 'public sets'"):
        tables.renewed("README.md", text.replace(lost, ""))


def test_what_stood_there_before_is_replaced() -> None:
    text = (tables.ROOT / "README.md").read_text()
    assert tables.renewed("README.md", re.sub(r"\n\| 2T-HGNN .*", "\nold", text)) == text


def test_a_set_that_nobody_measured_is_in_no_table(results: Path) -> None:
    for made in (public_tables.short_table(EVERY), public_tables.full_tables(EVERY)):
        assert made == public_tables.UNMEASURED
    assert public_tables.hits_table(FOOD) == public_tables.UNMEASURED
    assert "parser games" in public_tables.sets_table(EVERY)
    pairs.write_result(EVERY[-1].name, result(better=0.1))
    (head, *_) = public_tables.short_table(EVERY).splitlines()
    assert head.endswith("| Interactive fiction 2023-01-01 |")
    assert head.count("|") == 3
    told = public_tables.with_missing(EVERY).splitlines()[-1]
    assert told.startswith("Not measured yet: Food and kitchen 2013-11-15, ")
    assert "Interactive fiction" not in told
    assert public_tables.full_tables(EVERY).count("###") == 1


@pytest.mark.parametrize(
    ("gap", "mark", "told"),
    [
        ([0.2, 0.1, 0.3], "", "**+.200**"),
        ([0.2, -0.1, 0.3], "≈", "+.200"),
        ([-0.2, -0.3, -0.1], "↑", "**-.200**"),
        ([-0.2, None, None], "≈", "-.200"),
    ],
)
def test_marks_say_what_is_sure(
    gap: list[float | None], mark: str, told: str, results: Path
) -> None:
    made = result(better=0.4) | {"2T-HGNN minus": {"ALS, all MRR": gap, "2T, all MRR": gap}}
    pairs.write_result(FOOD.name, made)
    rows = cells(public_tables.short_table([FOOD]))
    assert rows["ALS"] == [f".400{mark} .400 .400"]
    assert rows["2T-HGNN minus 2T"] == [f"{told} – –"]


@given(st.data())
def test_every_model_stands_in_every_table_and_the_best_is_bold(data: st.DataObject) -> None:
    made = result(better=0.5)
    for name in public_tables.FULL:
        for model in MODELS:
            made["rows"][model][name] = [data.draw(SHARE), None, None]
    heads, *body = rows_of(public_tables.values_table(made))
    assert {row[0] for row in body} == {*MODELS[1:]}
    for at, name in enumerate(heads[1:], start=1):
        values = {model: made["rows"][model][name][0] for model in MODELS[1:]}
        best = max(value for value in values.values() if value is not None)
        bold = {row[0] for row in body if row[at].startswith("**")}
        assert bold == {model for model, value in values.items() if value == best}


def test_figures_that_do_not_favour_us_stay(results: Path) -> None:
    for each in EVERY:
        pairs.write_result(each.name, result(better=0.9))
    assert public_tables.with_missing(EVERY) == public_tables.short_table(EVERY)
    rows = cells(public_tables.short_table(EVERY))
    assert [*rows][:5] == ["2T", "ALS", "popularity", "2T-HGNN", "2T-HGNN minus 2T"]
    assert rows["ALS"] == ["**.900**↑ **.900**↑ **.900**↑"] * len(EVERY)
    assert rows["2T-HGNN minus the best other"] == ["**-.400** **-.400** **-.400**"] * len(EVERY)
    assert all(each.of.title in public_tables.full_tables(EVERY) for each in EVERY)


def test_a_caution_stands_beside_the_figures_of_its_set(results: Path) -> None:
    careful = replace(EVERY[-1], of=replace(IFDB, caution="Read with care"))
    pairs.write_result(careful.name, result(better=0.5))
    told = public_tables.full_tables([careful])
    assert "Read with care. Measured on 2026-01-01 with 2 cores" in told
    assert "1,000 users, 20 of them cold" in told


def result(*, better: float) -> dict[str, Any]:
    """A result whose rivals have `better` everywhere and the subject a half."""
    values = dict.fromkeys(MODELS, better) | {"2T-HGNN": 0.5, "random": 1.0}
    return {
        "date": "2026-01-01",
        "machine": {"cores": 2, "memory_gib": 8},
        "code": None,
        "window_days": 30,
        "seeds": [0, 1, 2],
        "users": {"all": 1_000, "warm": 980, "cold": 20},
        "seconds": 600,
        "rows": {
            model: {name: [value, value, value] for name in public_tables.FULL}
            for model, value in values.items()
        },
        "2T-HGNN minus": {
            f"{model}, {name}": [0.5 - value, 0.5 - value - 0.01, 0.5 - value + 0.01]
            for model, value in values.items()
            for name in public_tables.FULL
            if model != "2T-HGNN"
        },
    }


def rows_of(table: str) -> Iterator[list[str]]:
    for at, line in enumerate(table.splitlines()):
        if at != 1:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def cells(table: str) -> dict[str, list[str]]:
    """The cells of a table's rows, by the first."""
    _, *body = rows_of(table)
    return {row[0]: row[1:] for row in body}
