"""The world shows what the paper saw, and its figures are measured, not echoed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from colisten.simulator import WorldSettings, simulate
from colisten.simulator.figures import MATRIX_SIGNALS, PAPER_MATRIX, measure
from colisten.simulator.odds import PAPER_ODDS
from colisten.statistics.proportions import odds_ratios

from .conftest import World

DOC = Path(__file__).parents[2] / "docs" / "world.md"


def test_concentration_is_what_pandas_says(small_world: World) -> None:
    events = small_world.table("interactions")
    books = events[(events["item_type"] == "audiobook") & (events["signal"] == "stream")]
    by_user = books.groupby("user_id")["hours"].sum().sort_values(ascending=False)
    top = by_user.head(int(np.ceil(0.25 * len(by_user)))).sum() / by_user.sum()
    assert small_world.report["top_users"] == pytest.approx(top, abs=1e-3)
    by_title = books.groupby("item_id")["hours"].sum().sort_values(ascending=False)
    top = by_title.head(int(np.ceil(0.2 * small_world.settings.audiobooks))).sum()
    assert small_world.report["top_titles"] == pytest.approx(top / by_title.sum(), abs=1e-3)


def test_podcasts_first_is_what_pandas_says(small_world: World) -> None:
    events = small_world.table("interactions")
    books = events[(events["item_type"] == "audiobook") & (events["signal"] == "stream")]
    first = books.groupby("user_id")["timestamp"].min()
    podcast = events[events["item_type"] == "podcast"].groupby("user_id")["timestamp"].min()
    share = (podcast.reindex(first.index) < first).mean()
    assert small_world.report["podcasts_first"] == pytest.approx(share, abs=1e-3)


def test_figures_follow_the_files(small_world: World, tmp_path: Path) -> None:
    shutil.copytree(small_world.folder, tmp_path / "world")
    file = tmp_path / "world" / "interactions.parquet"
    table = pq.read_table(file)
    podcasts = pa.compute.equal(table["item_type"], "podcast")
    pq.write_table(table.filter(pa.compute.invert(podcasts)), file)
    ours = {figure.key: figure.ours for figure in measure(tmp_path / "world", small_world.settings)}
    assert ours["podcasts_first"] == 0.0
    assert ours["edges_pp"] == 0.0
    assert ours["text_through_podcast"] is None
    assert ours["top_users"] == small_world.report["top_users"]


def test_odds_ratios_recover_planted_ones() -> None:
    planted = np.array([-1.0, 0.8, 0.2, -0.4])
    cells = np.array([(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)][1:], dtype=float)
    chance = 1 / (1 + np.exp(-(planted[0] + cells @ planted[1:])))
    pairs = np.full(len(cells), 1e6)
    found = odds_ratios(np.column_stack([cells, pairs, pairs * chance]))
    assert found == pytest.approx(np.exp(planted[1:]), rel=1e-6)
    assert np.isnan(odds_ratios(np.empty((0, 5)))).all()


@pytest.mark.slow
def test_text_closeness_comes_from_taste(tmp_path: Path) -> None:
    """With no pull of taste, or with text that is all noise, the effect is gone."""
    small = {"users": 1_000, "audiobooks": 400, "podcasts": 300, "languages": ("en",), "seed": 1}
    ratios = {}
    for name, change in (
        ("taste", {"visible_strength": 9.0, "podcast_shows": 6.0}),
        ("no taste", {"visible_strength": 0.0}),
        ("noise", {"visible_strength": 9.0, "text_noise": 1.0}),
    ):
        settings = WorldSettings.model_validate({**small, **change})
        ratios[name] = simulate(tmp_path / name, settings)["text_co_listened"]
    assert ratios["taste"] > 1.4
    assert ratios["no taste"] == pytest.approx(1.0, abs=0.15)
    assert ratios["noise"] == pytest.approx(1.0, abs=0.15)


def test_part_of_taste_is_not_in_the_text(small_world: World) -> None:
    """People choose by hidden dimensions too: chosen audiobooks match theirs."""
    truth = small_world.truth
    events = small_world.table("interactions")
    books = events[(events["item_type"] == "audiobook") & (events["signal"] == "stream")]
    users = truth.users(books["user_id"].to_numpy(object))
    hidden = slice(-small_world.settings.hidden_dim, None)
    liked = users.taste["audiobook"][:, hidden]
    chosen = truth.taste[truth.item_rows(books["item_id"].to_numpy(object)), hidden]
    shuffled = np.random.default_rng(0).permutation(chosen)
    assert (liked * chosen).sum(1).mean() > (liked * shuffled).sum(1).mean() + 0.3


def test_music_shows_the_shared_taste(small_world: World) -> None:
    """Users of close music have close audiobook tastes; that is what cold users go by."""
    music = small_world.table("music").groupby("user_id").first()
    vectors = np.stack(music["music_vector"].to_list())
    tastes = small_world.truth.users(music.index.to_numpy(object)).taste["audiobook"]
    alike, kin = vectors @ vectors.T, np.corrcoef(tastes)
    above = np.triu_indices(len(music), k=1)
    assert np.corrcoef(alike[above], kin[above])[0, 1] > 0.4


def test_the_report_is_readable(small_world: World) -> None:
    page = io.StringIO()
    Console(width=200, file=page).print(small_world.report)
    text = page.getvalue()
    assert "Hours of the top 25 % of users" in text
    assert "+118 %" in text
    assert "1.2 / 17.0 / 73.0 / 9.4 %" in text


@pytest.mark.slow
def test_the_default_world_is_calibrated(default_world: World) -> None:
    """Tolerances: shares 5 points, odds 25 points, directions strictly."""
    report = default_world.report
    assert report["top_users"] == pytest.approx(0.75, abs=0.05)
    assert report["top_titles"] == pytest.approx(0.80, abs=0.05)
    assert report["podcasts_first"] > 0.70
    for signal, odds in PAPER_ODDS.items():
        assert report[f"odds_{signal}"] == pytest.approx(odds, abs=0.25)
    assert report["odds_follow"] > 3 * max(report["odds_preview"], report["odds_intent_to_pay"])
    for r, row in enumerate(MATRIX_SIGNALS):
        for c, column in enumerate(MATRIX_SIGNALS):
            ours = report[f"beside_{row}_{column}"]
            assert ours == pytest.approx(PAPER_MATRIX[r, c], abs=0.05)
    assert report["text_co_listened"] > 1.1
    assert report["text_through_podcast"] > 1.02
    assert report["podcast_taste"] > 1.1
    assert report["edges_ap"] > 2
    assert report["edges_pp"] > 5
    assert 0.4 < report["cold_users"] < 0.75
    assert report["holdout_cold"] > 150


@pytest.mark.slow
def test_the_documentation_names_every_figure(default_world: World) -> None:
    text = DOC.read_text()
    labels = [row[0] for row in default_world.report.rows()]
    assert [label for label in labels if f"| {label} |" not in text] == []
