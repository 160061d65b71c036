"""docs/extending.md: parts of one's own, each as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.prepare import prepare_tables
from colisten.errors import ConfigError
from colisten.parts import load_part, part_digest
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import popular_order
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import TextSettings
from colisten.settings.tree import load_settings
from colisten.steps.evaluate import evaluate
from colisten.steps.settings import settings_json
from colisten.text.vectors import embed_items, own_vectors
from tests.conftest import CUT, POPULARITY, write_tiny_source

GUIDE = (Path(__file__).parents[1] / "docs/extending.md").read_text()


def block(section: str) -> str:
    text = GUIDE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(code)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiny_source(tmp_path / "tables", users=30)
    return tmp_path


def history(work: Path, data: DataSettings = DataSettings()) -> Path:
    prepare_tables(
        work / "tables", work / "out", cut=CUT, window_days=14, data=data, engine=Engine(threads=1)
    )
    return work / "out" / "history"


@pytest.mark.parametrize(
    "section",
    ["Text vectors of your own", "Another text encoder", "Popularity of your own", "Another loss"],
)
def test_a_part_takes_at_most_ten_lines(section: str) -> None:
    assert len([line for line in block(section).splitlines() if line.strip()]) <= 10


def test_vectors_of_ones_own_take_the_place_of_the_encoder(work: Path) -> None:
    exec(block("Text vectors of your own"), {})
    folder = history(work)
    catalogue = Catalogue.read(folder)
    vectors = own_vectors(catalogue, folder / "text_vectors.parquet")
    assert vectors.shape == (len(catalogue), 3)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)

    as_table = parquet.read(folder / "text_vectors.parquet")
    items = parquet.read(work / "tables/items.parquet")
    given = parquet.read(work / "tables/text_vectors.parquet")
    parquet.write(items.append_column("embedding", given["vector"]), work / "tables/items.parquet")
    (work / "tables/text_vectors.parquet").unlink()
    folder = history(work, DataSettings(text_vectors="embedding"))
    assert parquet.read(folder / "text_vectors.parquet").equals(as_table)
    assert "embedding" not in parquet.read(folder / "items.parquet").column_names


def test_items_without_a_vector_are_named(work: Path) -> None:
    exec(block("Text vectors of your own"), {})
    given = parquet.read(work / "tables/text_vectors.parquet")
    parquet.write(given.slice(2), work / "tables/text_vectors.parquet")
    (notice,) = [each for each in check_tables(work / "tables").notices if "vector, as" in each]
    first = given["item_id"][0].as_py()
    assert notice.startswith(f"2 items have no text vector, as if they had no text: {first!r}")
    folder = history(work)
    catalogue = Catalogue.read(folder)
    vectors = own_vectors(catalogue, folder / "text_vectors.parquet")
    assert not vectors[catalogue.index_of([first])].any()


def test_an_encoder_of_ones_own(work: Path) -> None:
    (work / "parts.py").write_text(block("Another text encoder"))
    catalogue = Catalogue.read(history(work))
    settings = TextSettings(encoder="parts.py:Letters")
    vectors = embed_items(catalogue, settings, work / "cache")
    assert vectors.shape == (len(catalogue), 26)
    before = part_digest("parts.py:Letters")
    (work / "parts.py").write_text(block("Another text encoder").replace("lower()", "upper()"))
    assert part_digest("parts.py:Letters") != before
    assert not embed_items(catalogue, settings, work / "cache").any()


def test_a_popularity_of_ones_own(work: Path) -> None:
    data, engine = DataSettings(), Engine(threads=1)
    exec(block("Popularity of your own"), {})
    folder = history(work)
    log = EventLog([folder], Catalogue.read(folder), data, engine)
    assert popular_order(log, CUT, POPULARITY).tolist() == list(range(log.num_target))
    table = parquet.read(folder / "popularity.parquet")
    parquet.write(table.slice(5), folder / "popularity.parquet")
    assert set(popular_order(log, CUT, POPULARITY)[-5:].tolist()) == set(range(5))


def test_a_baseline_of_ones_own_is_a_line_and_counts_into_the_key(work: Path) -> None:
    (work / "parts.py").write_text(block("Another baseline"))
    setting = "evaluation.own_baselines=[parts.py:USERS]"
    settings = load_settings(None, (setting,))
    baseline = load_part("evaluation.own_baselines", settings.evaluation.own_baselines[0])
    assert [each["power"] for each in baseline.choices()] == [0.5, 1.0]
    before = settings_json(evaluate, settings)
    (work / "parts.py").write_text(block("Another baseline") + "\n")
    assert settings_json(evaluate, settings) != before


@pytest.mark.parametrize("word", ["none.py:x", "parts.py:nothing", "colisten.nowhere:x"])
def test_a_part_that_is_not_there_is_refused(work: Path, word: str) -> None:
    (work / "parts.py").write_text("")
    with pytest.raises(ConfigError, match=re.escape(word)):
        load_part("towers.loss", word)


@pytest.mark.parametrize("word", ["sampled_softmx", "parts.py", "a b:c"])
def test_a_loss_is_a_known_word_or_a_part(word: str) -> None:
    with pytest.raises(ConfigError, match="sampled_softmax"):
        load_settings(None, (f"towers.loss={word!r}",))


@pytest.mark.slow
def test_a_loss_of_ones_own_trains(work: Path) -> None:
    from colisten.training.towers.loop import train_towers
    from tests.training.towers.test_loop import World, small

    (work / "parts.py").write_text(block("Another loss"))
    world = World(work / "world")
    settings = small("towers.loss=parts.py:bpr", "towers.epochs=2", "towers.batch_size=512")
    result = train_towers(
        world.rows, world.catalogue, world.blocks(), settings, out=work / "towers"
    )
    losses = [point["fit_loss"] for point in result.curve if "fit_loss" in point]
    assert len(losses) == 2
    assert losses[1] < losses[0]
