from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from colisten.errors import ReportError
from colisten.experiments.design import ExperimentDesign
from colisten.monitoring.experiment import experiment_report
from tests.browser import browser
from tests.experiments.test_comparison import table
from tests.experiments.test_reading import DESIGN
from tests.experiments.test_reading import SHARES as HALVES
from tests.experiments.test_reading import outcomes as people
from tests.monitoring.chromium import page_text
from tests.tab import tab

SHARES = {"popularity": 1 / 3, "2t": 1 / 3, "2t-hgnn": 1 / 3}
FOURTHS = dict.fromkeys([*SHARES, "nobody"], 0.25)


@pytest.fixture(scope="module")
def outcomes() -> pa.Table:
    return table({"popularity": 0.10, "2t": 0.12, "2t-hgnn": 0.16}, 3_000)


def test_figures_are_written_beside_the_page(tmp_path: Path, outcomes: pa.Table) -> None:
    reading = experiment_report(outcomes, tmp_path / "ab.html", control="popularity", shares=SHARES)
    written = json.loads((tmp_path / "ab.json").read_text())
    assert [arm["name"] for arm in written["arms"]] == ["popularity", "2t", "2t-hgnn"]
    assert written["arms"][0]["users"] == 3_000
    lift = reading.lifts[-1].lift
    assert lift is not None
    assert lift.low > 0.2


def test_nothing_is_written_without_a_control(tmp_path: Path, outcomes: pa.Table) -> None:
    with pytest.raises(ReportError):
        experiment_report(outcomes, tmp_path / "ab.html", control="nobody", shares=FOURTHS)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_defined_is_null_and_the_split_has_a_verdict(tmp_path: Path) -> None:
    rows = table({"popularity": 0.0, "2t": 0.5}, 40)
    experiment_report(rows, tmp_path / "ab.html", control="popularity", shares=SHARES)
    text = (tmp_path / "ab.json").read_text()
    written = json.loads(text)
    assert "NaN" not in text
    assert written["arms"][0]["values"]["stream_rate"]["value"] == 0.0
    assert written["arms"][2]["values"]["stream_rate"] is None
    assert {lift["lift"] for lift in written["lifts"]} == {None}
    assert written["split_is_sound"] is False
    assert "nobody saw '2t-hgnn'" in written["split_verdict"]
    page = (tmp_path / "ab.html").read_text()
    assert "Sample ratio mismatch" in page
    assert "not defined" in page


def test_users_of_several_arms_are_in_no_figure_of_the_page(tmp_path: Path) -> None:
    rows = table({"popularity": 1.0, "2t": 1.0, "2t-hgnn": 1.0}, 20)
    mixed = rows.set_column(2, "variants", pa.array([2] * 7 + [1] * 53))
    experiment_report(mixed, tmp_path / "ab.html", control="popularity", shares=SHARES)
    page = (tmp_path / "ab.html").read_text()
    assert "of 13 users" in page
    assert "7 users of several arms" in page


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.95, "95%"), (Fraction(39, 40), "97.5%"), (0.999, "99.9%"), (0.9999, "99.99%")],
)
def test_the_page_says_which_intervals_it_shows(
    confidence: float, said: str, tmp_path: Path, outcomes: pa.Table
) -> None:
    page = tmp_path / "ab.html"
    experiment_report(outcomes, page, control="popularity", shares=SHARES, confidence=confidence)
    assert f"Rates per arm, {said} intervals" in page.read_text()


@pytest.mark.slow
def test_the_page_opens_offline_and_tells_the_lift(tmp_path: Path, outcomes: pa.Table) -> None:
    reading = experiment_report(outcomes, tmp_path / "ab.html", control="popularity", shares=SHARES)
    text = page_text(tmp_path / "ab.html", tmp_path / "profile")
    lift = reading.lifts[-1].lift
    assert lift is not None
    assert f"{lift.value:+.1%}" in text
    assert "above the control" in text
    assert "Rates per arm, 95% intervals" in text


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
def test_every_part_of_the_page_fits_a_screen_and_a_phone(broken: bool, tmp_path: Path) -> None:
    eager: dict[str, Any] = {"new_starts_before": lambda own, rng: own + 1} if broken else {}
    rows = people(600, **eager)
    days = [list(range(count)) for count in rows.column("new_starts").to_pylist()]
    rows = rows.append_column("new_start_days", pa.array(days, pa.list_(pa.int64())))
    file = tmp_path / "ab.html"
    experiment_report(
        rows, file, control="control", shares=HALVES, design=ExperimentDesign(**DESIGN)
    )
    with browser(tmp_path / "profile") as chromium:
        for width in (1280, 390):
            with tab(chromium, file.as_uri(), width=width) as page:
                page.until("document.body.innerText.includes('by segment')")
                text = page.run("document.body.innerText")
                assert page.run("document.documentElement.scrollWidth") <= width
    parts = ["Decided beforehand", "ift against", "hat must not get worse", "ift by days"]
    if broken:
        parts = ["Before any result: arms were not alike", "What users did before", *parts]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert ("Not to be trusted: lift" in text) == broken
