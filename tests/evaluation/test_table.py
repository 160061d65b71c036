"""The whole measurement: truth, chance, ties, empty parts, and the forms it is shown in."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from colisten.data.catalogue import Catalogue
from colisten.errors import EvaluationError
from colisten.evaluation.split import EvaluationSet, evaluation_set
from colisten.evaluation.table import EvaluationTable, evaluate
from colisten.ranking.popularity import popularity
from colisten.ranking.ragged import Ragged
from colisten.ranking.rankers import PopularityRanker, RandomRanker, Ranker, VectorRanker
from colisten.reports.evaluation import to_html
from colisten.reports.terminal import to_rich
from colisten.reports.verdict import standing, verdicts
from colisten.settings.sections import EvaluationSettings
from tests.conftest import CUT
from tests.evaluation.conftest import Scores, event_log, perfect, random_set

SETTINGS = EvaluationSettings(bootstrap=200, depth=20)


def noisy(data: EvaluationSet, noise: float, name: str, seed: int = 0) -> Scores:
    """The perfect ranker's scores under noise: 0 is perfect, a large noise is chance."""
    matrix = perfect(data).matrix
    rng = np.random.default_rng(seed)
    return Scores(name, matrix + noise * rng.normal(size=matrix.shape))


def printed(table: EvaluationTable) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(to_rich(table))
    return console.export_text()


def test_the_perfect_ranker_gets_one_everywhere() -> None:
    table = evaluate([perfect(random_set(60, 50))], random_set(60, 50), SETTINGS, 0)
    for part in ("all", "warm", "cold"):
        for metric in ("HR@10", "MRR", "recall@10", "NDCG@10"):
            measure = table.row("perfect", part).metrics[metric]
            assert (measure.value, measure.low, measure.high) == (1.0, 1.0, 1.0)


def test_shuffled_labels_give_chance_level() -> None:
    """A ranker that knows the truth of other users is as good as chance, and chance is known."""
    users, items = 4000, 500
    data = random_set(users, items, exclude=0.0)
    order = np.random.default_rng(1).permutation(users)
    shuffled = Scores("shuffled", perfect(data).matrix[order])
    shuffled.matrix += np.random.default_rng(2).random(shuffled.matrix.shape) * 0.5
    table = evaluate([shuffled, RandomRanker(items)], data, SETTINGS, 0)
    # A user with t targets is hit by 10 random items with 1 - C(n - t, 10) / C(n, 10).
    missed = np.ones(users)
    for place in range(10):
        missed *= (items - data.num_targets - place) / (items - place)
    expected = float((1 - missed).mean())
    for model in ("shuffled", "random"):
        measure = table.row(model).metrics["HR@10"]
        error = np.sqrt(expected * (1 - expected) / users)
        assert measure.value == pytest.approx(expected, abs=4 * error)
    (difference,) = [
        each for each in table.differences if (each.metric, each.slice) == ("HR@10", "all")
    ]
    assert not difference.sure


def test_shuffled_targets_give_every_model_that_knows_users_the_hit_rate_of_chance() -> None:
    """Each user gets another's targets: what a model knows of the user must be worth nothing."""
    users, items = 3000, 400
    data = random_set(users, items, exclude=0.0)
    order = np.random.default_rng(1).permutation(users)
    shuffled = replace(data, targets=data.targets.take(order), num_targets=data.num_targets[order])
    vectors = np.random.default_rng(2).normal(size=(items, 8)).astype(np.float32)
    taste = np.stack([vectors[data.targets[user]].mean(axis=0) for user in range(users)])
    rankers: list[Ranker] = [
        noisy(data, 0.3, "knows the truth"),
        noisy(data, 1.0, "knows a little"),
        VectorRanker("two towers", taste, vectors, np.zeros(items, np.float32)),
        RandomRanker(items),
    ]
    honest = evaluate(rankers, data, SETTINGS, 0)
    table = evaluate(rankers, shuffled, SETTINGS, 0)
    missed = np.ones(users)
    for place in range(10):
        missed *= (items - data.num_targets - place) / (items - place)
    chance = float((1 - missed).mean())
    for model in table.models:
        measure = table.row(model).metrics["HR@10"]
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low <= chance <= measure.high, model
        if model != "random":
            before = honest.value(model, "HR@10")
            assert before is not None
            assert before > 3 * chance, "unshuffled, it is far from chance"


def test_a_better_model_leads_surely_and_equal_ones_do_not() -> None:
    data = random_set(300, 80)
    rankers = [noisy(data, 0.8, "weak"), noisy(data, 0.4, "2T-HGNN"), noisy(data, 0.8, "twin", 1)]
    table = evaluate(rankers, data, SETTINGS, 0)
    assert table.subject == "2T-HGNN"
    lead = table.lead("HR@10")
    assert lead is not None
    assert lead.model == "2T-HGNN"
    assert lead.sure
    value = table.value("2T-HGNN", "HR@10")
    baseline = table.value(lead.against, "HR@10")
    assert value is not None
    assert baseline is not None
    assert lead.value == pytest.approx(value - baseline)
    twins = evaluate([rankers[0], rankers[2]], data, SETTINGS, 0).lead("HR@10")
    assert twins is not None
    assert not twins.sure
    assert "2T-HGNN leads" in verdicts(table)[0]
    assert "Sure" in verdicts(table)[0]
    assert "above weak, twin" in standing(table)[0]


def test_without_the_named_model_the_best_is_the_subject() -> None:
    data = random_set(100, 60)
    table = evaluate([noisy(data, 2.0, "weak"), noisy(data, 0.1, "strong")], data, SETTINGS, 0)
    assert table.subject == "strong"
    assert {each.against for each in table.differences} == {"weak"}


def test_chance_is_a_yardstick_and_leads_nothing() -> None:
    data = random_set(100, 60)
    rankers: list[Ranker] = [RandomRanker(60), Scores("flat", np.zeros((100, 60))), perfect(data)]
    table = evaluate(rankers, data, SETTINGS, 0)
    assert table.value("random", "coverage") == 1.0
    for metric in table.metrics:
        lead = table.lead(metric)
        assert lead is not None
        assert (lead.model, lead.against) == ("perfect", "flat")


def test_equal_calls_give_equal_tables_and_blocks_do_not_matter() -> None:
    data = random_set(90, 6000, exclude=0.01)
    rankers: list[Ranker] = [noisy(data, 0.3, "some"), RandomRanker(6000)]
    small = EvaluationSettings(bootstrap=50, block_megabytes=1)
    large = EvaluationSettings(bootstrap=50, block_megabytes=512)
    first = evaluate(rankers, data, small, 3)
    assert first == evaluate(rankers, data, small, 3)
    assert first == evaluate(rankers, data, large, 3)
    assert first != evaluate(rankers, data, small, 4)


def test_ties_go_by_catalogue_order() -> None:
    data = random_set(40, 50, exclude=0.0)
    ranker = Scores("flat", np.zeros((40, 50)))
    table = evaluate([ranker], data, SETTINGS, 0)
    expected = np.mean([data.targets[row].min() < 10 for row in range(40)])
    assert table.value("flat", "HR@10") == pytest.approx(expected)
    assert table.value("flat", "coverage") == 20 / 50


def test_unreachable_targets_are_misses_and_reported() -> None:
    data = random_set(30, 40)
    short = type(data)(
        **{
            **vars(data),
            "targets": Ragged.empty(30),
            "unreachable": int(data.num_targets.sum()),
        }
    )
    table = evaluate([perfect(data)], short, SETTINGS, 0)
    assert table.value("perfect", "HR@10") == 0.0
    assert table.value("perfect", "recall@10") == 0.0
    assert table.unreachable_targets == table.targets == data.num_targets.sum()
    assert "were not in the catalogue" in to_html(table)


@pytest.mark.parametrize(("warm", "part"), [(1.0, "cold"), (0.0, "warm")])
def test_an_empty_slice_renders(warm: float, part: str) -> None:
    data = random_set(20, 30, warm=warm)
    table = evaluate([perfect(data), RandomRanker(30)], data, SETTINGS, 0)
    assert table.users[part] == 0
    assert table.value("perfect", "HR@10", part) is None
    assert f"No {part} user" in verdicts(table, part)[0]
    assert f"No {part} user" in to_html(table)
    assert "–" in printed(table)
    assert EvaluationTable.model_validate_json(table.model_dump_json()) == table


def test_nothing_to_measure_is_a_table_not_an_error(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    data = evaluation_set(event_log(tiny_history, catalogue), cut=CUT, window_days=30)
    table = evaluate([RandomRanker(40), perfect(data)], data, SETTINGS, 0)
    assert table.empty
    assert table.value("random", "coverage") is None
    for shown in (printed(table).replace("\n", " "), to_html(table), verdicts(table)[0]):
        assert "Nothing to measure" in shown
    assert "2025-06-30" in verdicts(table)[0]


def test_one_user_has_values_but_no_intervals() -> None:
    data = random_set(1, 30)
    table = evaluate([perfect(data), RandomRanker(30)], data, SETTINGS, 0)
    measure = table.row("perfect").metrics["MRR"]
    assert (measure.value, measure.low) == (1.0, None)
    assert "<svg" in to_html(table)


def test_popularity_beats_chance_on_listeners(tiny_source: Path, tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    data = evaluation_set(event_log(tiny_source, catalogue), cut=CUT, window_days=30)
    counts = popularity(event_log(tiny_history, catalogue), CUT)
    table = evaluate([PopularityRanker("popularity", counts), RandomRanker(40)], data, SETTINGS, 0)
    lead = table.lead("MRR")
    assert lead is not None
    assert lead.model == "popularity"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_opens_with_who_wins() -> None:
    data = random_set(80, 60)
    rankers = [noisy(data, 0.2, "2T-HGNN"), noisy(data, 1.0, "<b>rival</b> & a very long name")]
    table = evaluate(rankers, data, EvaluationSettings(), 0)
    page = to_html(table)
    reader = _Page()
    reader.feed(page)
    assert reader.open == []
    assert reader.links == []
    assert "script" not in reader.seen
    assert "b" not in reader.seen, "names are escaped"
    assert reader.seen.count("svg") == 9 * 2 + 1, "a bar a model and chart, and the scatter"
    assert "circle" in reader.seen
    assert page.index("leads with") < page.index("<table")
    assert page == to_html(table)


def test_the_terminal_shows_every_model_and_slice() -> None:
    data = random_set(80, 60)
    table = evaluate([noisy(data, 0.2, "2T-HGNN"), RandomRanker(60)], data, SETTINGS, 0)
    shown = printed(table)
    assert shown.count("2T-HGNN") >= 3
    assert f"warm users ({table.users['warm']})" in shown
    assert f"{table.value('2T-HGNN', 'MRR', 'cold'):.4f}" in shown


def test_json_has_plain_values_and_reads_back() -> None:
    data = random_set(30, 40)
    table = evaluate([perfect(data), RandomRanker(40)], data, SETTINGS, 0)
    plain = json.loads(json.dumps(table.model_dump(mode="json")))
    assert plain["rows"][0]["metrics"]["HR@10"] == {
        "value": 1.0,
        "low": 1.0,
        "high": 1.0,
        "spread": None,
        "by_seed": [],
    }
    assert EvaluationTable.model_validate(plain) == table


def test_a_table_from_before_seeds_reads() -> None:
    data = random_set(30, 40)
    table = evaluate([perfect(data), RandomRanker(40)], data, SETTINGS, 0)
    plain = table.model_dump(mode="json")
    for row in plain["rows"]:
        del row["seeds"]
        for measure in row["metrics"].values():
            del measure["spread"], measure["by_seed"]
    for contrast in [*plain["differences"], *plain["leads"]]:
        del contrast["p_test"]
    read = EvaluationTable.model_validate(plain)
    assert read.rows == table.rows
    assert read.metrics == table.metrics
    assert to_html(read)


def test_wrong_calls_are_refused() -> None:
    data = random_set(5, 30)
    with pytest.raises(EvaluationError, match="at least one"):
        evaluate([], data, SETTINGS, 0)
    with pytest.raises(EvaluationError, match="own name"):
        evaluate([RandomRanker(30), RandomRanker(30)], data, SETTINGS, 0)
    table = evaluate([RandomRanker(30)], data, SETTINGS, 0)
    with pytest.raises(EvaluationError, match="no row"):
        table.row("other")
    with pytest.raises(EvaluationError, match="nearest known one is 'HR@10'"):
        table.value("random", "HR@11")
