"""Every page opened in a browser, with ordinary values and with hostile ones.

A page with ordinary values draws everything under its policy. With hostile ones nothing runs,
nothing is fetched, no link and no kind of element appears that was not there before, and the
values stand on the page as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from colisten.ablations.report import AblationReport
from colisten.evaluation.table import EvaluationTable
from colisten.explain.explanation import Explanation
from colisten.graph.report import GraphReport, graph_report
from colisten.models.choices import Choice, Figures
from colisten.monitoring.drift import drift_report
from colisten.monitoring.evidently_drift import evidently_page
from colisten.monitoring.experiment import experiment_report
from colisten.pages import page, write_page
from colisten.release.backtest import Figure
from colisten.release.card import Card, Standing
from colisten.release.front import Recommendation, Shelf
from colisten.reports.ablations import to_html as ablations_page
from colisten.reports.card import to_html as card_page
from colisten.reports.curve import curve_html
from colisten.reports.evaluation import to_html as evaluation_page
from colisten.reports.explanation import to_html as explanation_page
from colisten.reports.graph import to_html as graph_page
from colisten.reports.shelf import to_html as shelf_page
from colisten.shown import plain
from tests.ablations.test_report import report as ablations  # noqa: F401
from tests.browser import Browser, Visit, browser
from tests.experiments.test_comparison import table as outcomes_of
from tests.hostile import SCRIPTS, VALUES, hostile
from tests.reports.test_evaluation import measured
from tests.reports.test_page import PAGES
from tests.sampling.graphs import random_graph

pytestmark = pytest.mark.slow
# plotly's own mark on its figures.
OWN_LINKS = {"https://plotly.com/"}
# Figures cut a long name short, and a table of many columns shows some pages of it.
READABLE = [value for value in VALUES if len(value) < 1000]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


Write = Callable[[Path, bool], list[str]]
"""Writes a page, with ordinary or with hostile values; returns values that it shows."""


def write_graph(out: Path, evil: bool) -> list[str]:
    titles = np.array([f"title {at}" for at in range(100)], dtype=object)
    found = graph_report(random_graph(40, 60, 900, seed=1), titles=titles, seed=3)
    tree = found.model_dump(mode="json")
    shown = [hub.title for one in found.relations.values() for hub in one.hubs]
    if evil:
        names = {*titles, *tree["nodes"], *tree["relations"], found.target_type}
        names |= {one.what for one in found.findings} | {one.advice for one in found.findings}
        tree = hostile(tree, names)
        shown = [hub["title"] for one in tree["relations"].values() for hub in one["hubs"]]
        shown += [*tree["relations"], tree["target_type"]]
    write_page(out, graph_page(GraphReport.model_validate(tree)))
    return shown


def write_evaluation(out: Path, evil: bool) -> list[str]:
    tree = measured().model_dump(mode="json")
    names = {*tree["models"], tree["target_type"], *(row["slice"] for row in tree["finer"])}
    if evil:
        tree = hostile(tree, names)
    write_page(out, evaluation_page(EvaluationTable.model_validate(tree)))
    return [*tree["models"], tree["target_type"], *(row["slice"] for row in tree["finer"])]


def write_curve(out: Path, evil: bool) -> list[str]:
    names = list(VALUES) if evil else ["train", "validation"]
    curve = [{"step": at, **dict.fromkeys(names, 1.0 / (at + 1))} for at in range(3)]
    title = VALUES[0] if evil else "Loss"
    write_page(out, curve_html(curve, title=title))
    return [*names, title]


def write_drift(out: Path, evil: bool) -> list[str]:
    countries = list(VALUES) if evil else ["SE", "DE"]
    columns = list(SCRIPTS[:6]) if evil else ["age"]
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {
                **{name: rng.normal(40, 10, len(countries) * 30) for name in columns},
                **{f"{name} of words": countries * 30 for name in columns[:2]},
                "country": countries * 30,
            }
        )
        for _ in range(2)
    ]
    report = drift_report(frames[0], frames[1], out.with_name("drift.html"))
    if out.name != report.html.name:
        evidently_page(frames[0], frames[1], report, out)
    return columns


def write_experiment(out: Path, evil: bool) -> list[str]:
    arms = list(READABLE) if evil else ["popularity", "2t"]
    shares = dict.fromkeys(arms, 1 / len(arms))
    outcomes = outcomes_of({arm: 0.1 + 0.01 * at for at, arm in enumerate(arms)}, 200)
    experiment_report(outcomes, out, control=arms[0], shares=shares)
    return arms


WRITERS: dict[str, Write] = {
    "curve.html": write_curve,
    "drift.html": write_drift,
    "drift_evidently.html": write_drift,
    "evaluation.html": write_evaluation,
    "experiment.html": write_experiment,
    "graph.html": write_graph,
}


def test_every_page_is_opened_here() -> None:
    others = {"ablations.html", "explain.html", "model_card.html", "shelf.html"}
    assert {*WRITERS, *others} == PAGES


@dataclass
class Opened:
    """A page with ordinary and with hostile values, and what of the latter it shows."""

    ordinary: Visit
    evil: Visit
    shown: list[str]


def opened(chromium: Browser, folder: Path, name: str, write: Write) -> Opened:
    visits: dict[bool, Visit] = {}
    shown: list[str] = []
    for evil in (False, True):
        file = folder / str(evil) / name
        shown = write(file, evil)
        visits[evil] = chromium.visit(file)
        if not evil:
            for value in shown:
                assert words(value) in visits[evil].text, value
    return Opened(visits[False], visits[True], shown)


def words(value: str) -> str:
    return " ".join(plain(value).split())


def hold(found: Opened, *, least: int) -> None:
    assert found.ordinary.said == []
    for visit in (found.ordinary, found.evil):
        assert [one for one in visit.acted if one not in OWN_LINKS] == []
    assert found.evil.kinds - found.ordinary.kinds == set()
    # Whatever the policy refused would be said: the values were text before it came to that.
    assert found.evil.said == []
    seen = [value for value in found.shown if words(value) in found.evil.text]
    assert len(seen) == len(found.shown) >= least, set(found.shown) - set(seen)


@pytest.mark.parametrize("name", WRITERS)
def test_hostile_values_are_text(chromium: Browser, tmp_path: Path, name: str) -> None:
    found = opened(chromium, tmp_path, name, WRITERS[name])
    hold(found, least=6)
    assert "svg" in found.ordinary.kinds


def test_hostile_ablations_are_text(
    chromium: Browser,
    tmp_path: Path,
    ablations: AblationReport,  # noqa: F811
) -> None:
    def write(out: Path, evil: bool) -> list[str]:
        tree = ablations.model_dump(mode="json")
        names = {each["name"] for each in tree["rows"][1:]} | {
            each["removes"] for each in tree["rows"]
        }
        names |= {*tree["skipped"], *ablations.beside, ablations.table.target_type}
        names |= {one for each in tree["rows"] for one in each["overrides"]}
        tree = hostile(tree, names) if evil else tree
        write_page(out, ablations_page(AblationReport.model_validate(tree)))
        return [each[what] for each in tree["rows"] for what in ("name", "removes")]

    hold(opened(chromium, tmp_path, "ablations.html", write), least=6)


def test_a_hostile_explanation_is_text(
    chromium: Browser,
    tmp_path: Path,
    explanation: Explanation,
) -> None:
    def write(out: Path, evil: bool) -> list[str]:
        tree = explanation.model_dump(mode="json")
        genres = sorted({one["genre"] for one in tree["items"].values()})
        if evil:
            # By place, not by name: a genre may be called as a language is.
            for at, one in enumerate(tree["items"].values()):
                one["title"] = VALUES[at % len(VALUES)]
                one["genre"] = SCRIPTS[genres.index(one["genre"]) % len(SCRIPTS)]
                one["language"] = SCRIPTS[-1 - at % 3]
            tree = hostile(tree, {tree["release_id"], tree["target_type"]})
            tree["map"][0]["method"] = VALUES[0]
        found = Explanation.model_validate(tree)
        write_page(out, explanation_page(found))
        named = [one.item for one in found.neighbourhoods.examples]
        shown = [found.items[item].title for item in named]
        return [*shown, found.release_id, *sorted({one.genre for one in found.items.values()})[:3]]

    hold(opened(chromium, tmp_path, "explain.html", write), least=6)


def test_a_hostile_model_card_is_text(chromium: Browser, tmp_path: Path) -> None:
    def write(out: Path, evil: bool) -> list[str]:
        values = list(READABLE) if evil else [f"value {at}" for at in range(12)]
        figures = {each: Figures(mrr=0.1, error=0.01, users=40) for each in values[:4]}
        choice = Choice(question=values[4], chosen=values[0], reason=values[5], candidates=figures)
        card = Card(
            release_id=values[6],
            target_type=values[7],
            as_of="2025-06-30",
            measured_from="2025-06-01",
            window_days=29,
            subject=values[8],
            confidence=0.95,
            learned_from={values[9].replace("_", " "): 1},
            choices=(choice,),
            standing=(
                Standing(
                    part=values[10],
                    whom=values[11],
                    users=1,
                    metric=values[1],
                    own=Figure(0.2),
                    popular=None,
                    rival=values[2],
                    best=Figure(0.1, 0.0, 0.2),
                    gap=None,
                    behind=None,
                    verdict=values[3],
                ),
            ),
            limits=tuple(values[:3]),
            software={values[0]: values[1]},
        )
        write_page(out, card_page(card))
        return [*values[:9], *values[10:12]]

    hold(opened(chromium, tmp_path, "model_card.html", write), least=6)


def test_a_hostile_shelf_is_text(chromium: Browser, tmp_path: Path) -> None:
    def write(out: Path, evil: bool) -> list[str]:
        values = list(READABLE) if evil else [f"value {at}" for at in range(12)]
        items = [
            Recommendation(at + 1, f"id {value}", value if at else None, None, 0.5, f"why {value}")
            for at, value in enumerate(values)
        ]
        shelves = [Shelf(values[0], True, tuple(items)), Shelf(values[1], False, tuple(items[:2]))]
        content = shelf_page(shelves, release_id=values[2], target_type=values[3], as_of=values[4])
        write_page(out, content)
        return [*(text for each in items for text in (each.item_id, str(each.why))), *values[:4]]

    hold(opened(chromium, tmp_path, "shelf.html", write), least=6)


# What a careless page would be: the same values, put in as they are.
RAW = "".join(f"<p title='x'>{value}</p>\n" for value in SCRIPTS)


def test_the_browser_sees_what_runs(chromium: Browser, tmp_path: Path) -> None:
    """Without escaping and without a policy all that the other tests look for happens."""
    for value, does in {
        SCRIPTS[0]: "data-ran",
        SCRIPTS[2]: "data-ran",
        SCRIPTS[3]: "http://hostile.example/pixel.png",
        SCRIPTS[4]: "data-ran",
        "<script>alert('said')</script>": "said",
        '<meta http-equiv="refresh" content="0;url=http://hostile.example/">': "http://hostile.example/",
        '<a href="javascript:alert(1)">look</a>': "javascript:alert(1)",
    }.items():
        file = tmp_path / "careless.html"
        file.write_text(f'<!doctype html><html><body><p title="">{value}</p></body></html>')
        assert does in chromium.visit(file).acted, value


def test_a_value_that_slipped_through_does_nothing(chromium: Browser, tmp_path: Path) -> None:
    """The policy alone holds scripts, handlers, images, frames and addresses."""
    for name, scripts in {"still": (), "moving": ("var drawn = 1;",)}.items():
        held = re.sub(r'<a href="http[^>]*>', "", RAW)
        held = re.sub(r"<meta http-equiv=.refresh.[^>]*>|<form.*?</form>", "", held)
        write_page(tmp_path / name, page("careless", held, style="p { }", scripts=scripts))
        visit = chromium.visit((tmp_path / name).rename(tmp_path / f"{name}.html"))
        assert visit.marks == visit.dialogs == []
        assert any("Content Security Policy" in one for one in visit.said)
