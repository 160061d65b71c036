"""The towers learn planted tastes, never see their own answer, and come out the same each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.files import folder_digests
from colisten.graph.folds import fold_of
from colisten.models.items import ItemBlocks
from colisten.models.knn_term import KnnTermLayout
from colisten.models.towers import user_vectors
from colisten.settings.tree import load_settings
from colisten.training.time_split import split_in_time
from colisten.training.towers import examples as examples_module
from colisten.training.towers.checkpoint import TowerCheckpoint
from colisten.training.towers.examples import TowerExamples
from colisten.training.towers.loop import TowersResult, train_towers
from colisten.training.towers.settings import TowersTraining
from tests.conftest import CUT, write_tiny_source

TYPES = ("audiobook", "podcast")
STAMP = pa.timestamp("us", tz="UTC")


def small(*overrides: str) -> TowersTraining:
    settings = load_settings(
        None,
        (
            "threads=1",
            "towers.hidden=[32, 16]",
            "towers.dim=16",
            "towers.batch_size=64",
            "towers.learning_rate=0.005",
            "towers.epochs=4",
            "towers.min_steps=0",
            *overrides,
        ),
    )
    return TowersTraining.of(settings)


def history_rows(source: Path, asked: pd.DataFrame) -> pa.Table:
    """Feature rows for (user_id, item_id, timestamp), every event strictly before the moment."""
    events = pq.read_table(source / "interactions.parquet").to_pandas()
    people = pq.read_table(source / "users.parquet").to_pandas().set_index("user_id")
    music = pq.read_table(source / "music.parquet").to_pandas().set_index("user_id")
    per_user = dict(list(events.sort_values("timestamp", kind="stable").groupby("user_id")))
    rows = []
    for user, item, moment in asked[["user_id", "item_id", "timestamp"]].itertuples(index=False):
        row: dict[str, object] = {"user_id": user, "item_id": item, "timestamp": moment}
        row["country"] = people.country.get(user)
        age = people.age.get(user)
        row["age"] = None if age is None or np.isnan(age) else float(age)
        row["music_vector"] = music.music_vector.get(user)
        past = per_user[user][per_user[user].timestamp < moment]
        for kind in TYPES:
            own = past[past.item_type == kind]
            row[f"{kind}_item_ids"] = own.item_id.tolist()
            row[f"{kind}_signals"] = own.signal.tolist()
            row[f"{kind}_times"] = own.timestamp.tolist()
        rows.append(row)
    return typed(pa.Table.from_pylist(rows))


def typed(table: pa.Table) -> pa.Table:
    types = {"timestamp": STAMP, "country": pa.string(), "age": pa.float32()}
    types["music_vector"] = pa.list_(pa.float32())
    for kind in TYPES:
        types |= {f"{kind}_item_ids": pa.list_(pa.string())}
        types |= {f"{kind}_signals": pa.list_(pa.string()), f"{kind}_times": pa.list_(STAMP)}
    for name, type_ in types.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(type_))
    return table


class World:
    """A tiny planted world at CUT: training rows, text vectors, and what comes after."""

    def __init__(self, folder: Path) -> None:
        self.source = write_tiny_source(folder, users=150, seed=3)
        items = pq.read_table(self.source / "items.parquet")
        self.catalogue = Catalogue(
            items.sort_by([("item_type", "ascending"), ("item_id", "ascending")])
        )
        events = pq.read_table(self.source / "interactions.parquet").to_pandas()
        firsts = events[(events.item_type == "audiobook") & (events.signal == "stream")]
        firsts = firsts.drop_duplicates(["user_id", "item_id"])
        self.rows = history_rows(self.source, firsts[firsts.timestamp < CUT])
        later = firsts[firsts.timestamp >= CUT]
        self.targets = {
            user: self.catalogue.index_of(group.item_id.tolist())
            for user, group in later.groupby("user_id")
        }
        seen = firsts[firsts.timestamp < CUT].groupby("user_id").item_id.apply(list)
        self.seen_items = {user: self.catalogue.index_of(ids) for user, ids in seen.items()}
        self.users = sorted(set(self.targets) & set(events[events.timestamp < CUT].user_id))
        asked = pd.DataFrame({"user_id": self.users, "item_id": "a000", "timestamp": CUT})
        self.now = history_rows(self.source, asked)
        rng = np.random.default_rng(0)
        words = sorted({word for title in self.catalogue.titles for word in title.split()})
        vector_of = {word: rng.normal(size=24) for word in words}
        text = np.stack(
            [sum(vector_of[word] for word in title.split()) for title in self.catalogue.titles]
        )
        self.text = (text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float32)

    def blocks(self, graph: bool = False) -> ItemBlocks:
        if not graph:
            return ItemBlocks(self.text)
        rng = np.random.default_rng(7)
        z = rng.normal(size=(4, len(self.text), 8)).astype(np.float32)
        return ItemBlocks(self.text, z[0], z[1:])

    def scores(self, result: TowersResult) -> np.ndarray:
        """Scores [users, audiobooks] just before CUT, from the exported folder's own parts."""
        batch = UserBatch.from_table(self.now, self.catalogue.index_of, result.user_spec.fields)
        vectors = np.load(result.folder / "history_vectors.npy")
        features = encode_users(result.user_spec, batch, vectors)
        scores: np.ndarray = user_vectors(result.towers, features) @ result.item_vectors.T
        return scores

    def hit_rate(self, scores: np.ndarray, k: int = 5) -> float:
        hits = []
        for user, row in zip(self.users, scores.copy(), strict=True):
            row[self.seen_items.get(user, np.zeros(0, int))] = -np.inf
            hits.append(np.isin(np.argsort(-row)[:k], self.targets[user]).any())
        return float(np.mean(hits))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def result(world: World, tmp_path_factory: pytest.TempPathFactory) -> TowersResult:
    out = tmp_path_factory.mktemp("towers") / "towers"
    return train_towers(world.rows, world.catalogue, world.blocks(), small(), out=out)


def test_users_rank_items_of_their_own_taste_higher(world: World, result: TowersResult) -> None:
    scores = world.scores(result)
    taste = np.array([int(user[1:]) % 2 for user in world.users])
    of_item = np.array([int(item[1:]) % 2 for item in world.catalogue.item_ids[:40]])
    own = taste[:, None] == of_item[None, :]
    better = [row[same].mean() > row[~same].mean() for row, same in zip(scores, own, strict=True)]
    assert np.mean(better) > 0.95


def test_hit_rate_beats_popularity(world: World, result: TowersResult) -> None:
    popular = np.bincount(
        world.catalogue.index_of(world.rows.column("item_id").to_pylist()), minlength=40
    ).astype(float)
    by_popularity = world.hit_rate(np.tile(popular, (len(world.users), 1)))
    assert world.hit_rate(world.scores(result)) > by_popularity + 0.1


def test_the_papers_loss_learns_tastes_too(world: World, tmp_path: Path) -> None:
    settings = small("preset=paper")
    trained = train_towers(
        world.rows, world.catalogue, world.blocks(), settings, out=tmp_path / "towers"
    )
    scores = world.scores(trained)
    odd = np.array([int(user[1:]) % 2 == 1 for user in world.users])
    towards_odd_items = scores[:, 1::2].mean(axis=1) - scores[:, ::2].mean(axis=1)
    assert towards_odd_items[odd].mean() > towards_odd_items[~odd].mean() + 0.2


def test_result_and_folder_agree(world: World, result: TowersResult) -> None:
    np.testing.assert_array_equal(np.load(result.folder / "item_vectors.npy"), result.item_vectors)
    np.testing.assert_allclose(np.linalg.norm(result.item_vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(np.load(result.folder / "history_vectors.npy"), world.text)
    assert json.loads((result.folder / "curve.json").read_text()) == result.curve
    selected = [entry for entry in result.curve if "validation_loss" in entry]
    fitted = [entry for entry in result.curve if "fit_loss" in entry]
    assert len(fitted) == result.epochs
    top = max(selected, key=lambda entry: entry["validation_mrr"])
    enough = top["validation_mrr"] - top["validation_mrr_error"] / 2
    best = [entry for entry in selected if entry["validation_mrr"] >= enough][-1]
    assert result.epochs == best["epoch"]
    assert result.metrics()["validation_hit_rate"] == best["validation_hit_rate"]
    assert not (result.folder / "checkpoint.safetensors").exists()


def test_same_rows_in_any_order_give_the_same_bytes(
    world: World, result: TowersResult, tmp_path: Path
) -> None:
    shuffled = world.rows.take(np.random.default_rng(1).permutation(world.rows.num_rows))
    again = train_towers(
        shuffled, world.catalogue, world.blocks(), small(), out=tmp_path / "towers"
    )
    assert folder_digests(again.folder) == folder_digests(result.folder)
    other = train_towers(
        shuffled, world.catalogue, world.blocks(), small("seed=1"), out=tmp_path / "other"
    )
    assert folder_digests(other.folder) != folder_digests(result.folder)


def test_features_encoded_batch_by_batch_give_the_same_bytes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = world.blocks(graph=True)
    kept = train_towers(world.rows, world.catalogue, blocks, small(), out=tmp_path / "kept")
    monkeypatch.setattr(examples_module, "FEATURE_CACHE_BYTES", 0)
    lazy = train_towers(world.rows, world.catalogue, blocks, small(), out=tmp_path / "lazy")
    assert folder_digests(kept.folder) == folder_digests(lazy.folder)


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_run_killed_after_an_epoch_ends_in_the_same_bytes(
    world: World,
    result: TowersResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epochs: int,
) -> None:
    whole, out, saved = TowerCheckpoint.save, tmp_path / "towers", []

    def save(self: TowerCheckpoint, *args: object) -> None:
        whole(self, *args)  # type: ignore[arg-type]
        saved.append(args[:2])
        if len(saved) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(TowerCheckpoint, "save", save)
    with pytest.raises(KeyboardInterrupt):
        train_towers(world.rows, world.catalogue, world.blocks(), small(), out=out)
    assert (out / "checkpoint.safetensors").exists()
    again = train_towers(world.rows, world.catalogue, world.blocks(), small(), out=out)
    assert folder_digests(again.folder) == folder_digests(result.folder)
    # No epoch was run twice.
    assert len(set(saved)) == len(saved) == len(result.curve)


def test_a_checkpoint_of_other_inputs_is_ignored(
    world: World, result: TowersResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "towers", TowerCheckpoint.save

    def save(self: TowerCheckpoint, *args: object) -> None:
        whole(self, *args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TowerCheckpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            train_towers(world.rows[:200], world.catalogue, world.blocks(), small(), out=out)
    again = train_towers(world.rows, world.catalogue, world.blocks(), small(), out=out)
    assert folder_digests(again.folder) == folder_digests(result.folder)


def test_vectors_of_a_fold_reach_that_folds_examples_alone(world: World) -> None:
    blocks = world.blocks(graph=True)
    assert blocks.z_folds is not None
    read = TowerExamples.read(world.rows, world.catalogue, blocks, small())
    assert (read.folds == fold_of(read.users.user_ids, 3)).all()
    every, some = np.arange(len(read)), np.arange(10)
    before = read.user_features(every)
    for fold in range(3):
        z_folds = blocks.z_folds.copy()
        z_folds[fold] += 1.0
        other = ItemBlocks(blocks.text, blocks.z, z_folds)
        changed = TowerExamples.read(world.rows, world.catalogue, other, small())
        differs = (changed.user_features(every) != before).any(axis=1)
        histories = read.users.histories.values()
        has_history = sum(history.counts for history in histories) > 0
        np.testing.assert_array_equal(differs, (read.folds == fold) & has_history)
        for seen_by in range(3):
            moved = (
                changed.item_features(some, seen_by) != read.item_features(some, seen_by)
            ).any()
            assert moved == (seen_by == fold)
    # The vectors of serving, shaped by everyone, are in no training example.
    assert blocks.z is not None
    served = ItemBlocks(blocks.text, blocks.z + 1.0, blocks.z_folds)
    changed = TowerExamples.read(world.rows, world.catalogue, served, small())
    np.testing.assert_array_equal(changed.user_features(every), before)


def test_taste_does_not_see_factors_and_the_knn_term_does(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(len(world.text), 6)).astype(np.float32)
    blocks = replace(world.blocks(graph=True), factors=factors, factors_validation=factors)
    examples = TowerExamples.read(world.rows, world.catalogue, blocks, small())
    found = train_towers(world.rows, world.catalogue, blocks, small(), out=tmp_path / "t")
    rows = np.arange(40)
    people = torch.from_numpy(examples.user_features(rows))
    other = people.clone()
    for kind in examples.user_spec.types:
        stop = examples.user_spec.history(kind).stop - 2
        other[:, stop - 6 : stop] += 1.0
    for one, two in zip(
        found.towers.user.tastes(people), found.towers.user.tastes(other), strict=True
    ):
        assert torch.equal(one, two)
    items = torch.from_numpy(examples.item_features(rows, None))
    changed = items.clone()
    changed[:, examples.item_spec.unlearned] += 1.0
    for one, two in zip(
        found.towers.item.tastes(items), found.towers.item.tastes(changed), strict=True
    ):
        assert torch.equal(one, two)
    # As it was before the release left out what has no weight.
    knn_term = KnnTermLayout.of(examples.user_spec, examples.item_spec)
    assert {"audiobook_factors", "podcast_factors"} <= set(knn_term.names)
    weights = torch.ones(len(knn_term.means), len(knn_term.dims))
    assert not torch.equal(knn_term.of_users(people, weights), knn_term.of_users(other, weights))


def test_batches_stay_within_a_fold_and_cover_every_row_once(world: World) -> None:
    read = TowerExamples.read(world.rows, world.catalogue, world.blocks(graph=True), small())
    rows = np.arange(0, len(read), 2)
    batches = read.batches(rows, 32, np.random.default_rng(0))
    assert all(len(np.unique(read.folds[batch])) == 1 for batch in batches)
    assert sorted(np.concatenate(batches)) == rows.tolist()
    assert min(map(len, batches)) >= 16


def test_z_without_fold_versions_is_refused_unless_asked_for(world: World, tmp_path: Path) -> None:
    blocks = ItemBlocks(world.text, world.text)
    with pytest.raises(TrainingError, match="no fold versions"):
        train_towers(world.rows, world.catalogue, blocks, small(), out=tmp_path / "towers")
    assert not (tmp_path / "towers").exists()
    leaky = small("towers.cross_fit=false", "towers.epochs=1")
    train_towers(world.rows, world.catalogue, blocks, leaky, out=tmp_path / "towers")
    assert (tmp_path / "towers" / "user_tower.onnx").exists()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_rows_that_know_nothing_still_train(world: World, tmp_path: Path, count: int) -> None:
    empty = {
        "user_id": [f"u{at}" for at in range(count)],
        "item_id": [f"a{at:03d}" for at in range(count)],
        "timestamp": pa.array([CUT] * count, STAMP),
        "country": pa.nulls(count, pa.string()),
        "age": pa.nulls(count, pa.float32()),
        "music_vector": pa.nulls(count, pa.list_(pa.float32())),
    }
    for kind in TYPES:
        empty[f"{kind}_item_ids"] = pa.array([[]] * count, pa.list_(pa.string()))
        empty[f"{kind}_signals"] = pa.array([[]] * count, pa.list_(pa.string()))
        empty[f"{kind}_times"] = pa.array([[]] * count, pa.list_(STAMP))
    table = world.catalogue.table
    for name in ("language", "genres"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.nulls(len(table), table.column(name).type))
    blank = ItemBlocks(np.zeros_like(world.text))
    trained = train_towers(
        pa.table(empty), Catalogue(table), blank, small(), out=tmp_path / "towers"
    )
    assert trained.epochs == 4  # one moment cannot be split in time
    np.testing.assert_allclose(np.linalg.norm(trained.item_vectors, axis=1), 1.0, atol=1e-5)


def test_rows_that_cannot_be_trained_on_are_refused(world: World, tmp_path: Path) -> None:
    def train(rows: pa.Table, blocks: ItemBlocks) -> None:
        train_towers(rows, world.catalogue, blocks, small(), out=tmp_path / "towers")

    with pytest.raises(TrainingError, match="no training rows"):
        train(world.rows[:0], world.blocks())
    wrong = world.rows.set_column(1, "item_id", pa.array(["p000"] * world.rows.num_rows))
    with pytest.raises(TrainingError, match="that are no audiobook"):
        train(wrong, world.blocks())
    with pytest.raises(TrainingError, match="Item blocks hold 50 items"):
        train(world.rows, ItemBlocks(world.text[:50]))
    with pytest.raises(TrainingError, match="'user_id'"):
        train(world.rows.drop_columns("user_id"), world.blocks())


def test_divergence_is_said_and_leaves_no_model(world: World, tmp_path: Path) -> None:
    wild = small("towers.learning_rate=1e38")
    with pytest.raises(TrainingError, match="diverged"):
        train_towers(world.rows, world.catalogue, world.blocks(), wild, out=tmp_path / "towers")
    assert not (tmp_path / "towers" / "user_tower.onnx").exists()


def test_the_split_in_time_never_parts_a_moment() -> None:
    times = np.array([1, 1, 2, 3, 3, 3, 3, 4])
    train, later = split_in_time(times, 0.3)
    assert train.tolist() == [0, 1, 2]
    assert later.tolist() == [3, 4, 5, 6, 7]
    assert split_in_time(times, 0.0)[1].tolist() == []
    assert split_in_time(np.array([5, 5, 5]), 0.5)[1].tolist() == []
    assert split_in_time(np.array([5, 6]), 0.9)[0].tolist() == [0]


def test_leave_one_out_knows_everything_but_the_answer(world: World) -> None:
    asked = pd.DataFrame({"user_id": sorted(set(world.rows.column("user_id").to_pylist()))})
    asked = asked.assign(item_id="a000", timestamp=CUT)
    whole = history_rows(world.source, asked)
    blocks = world.blocks()
    read = TowerExamples.read(world.rows, world.catalogue, blocks, small(), whole)
    every = np.arange(len(read))
    known = read.left_out_features(every)
    moved = ItemBlocks(blocks.text.copy())
    for row in (0, len(read) // 2, len(read) - 1):
        # Its own item's vector has no say in an example, that of a later choice has.
        moved.text[:] = blocks.text
        moved.text[read.items[row] + read.target.start] += 1.0
        other = TowerExamples.read(world.rows, world.catalogue, moved, small(), whole)
        np.testing.assert_array_equal(other.left_out_features(every[row : row + 1])[0], known[row])
    assert (known != read.user_features(every)).any(axis=1).mean() > 0.5
    # Cut off at an example's moment, and with no other event on its item, it is the past.
    row = len(read) // 2
    until = int(read.times[row])
    past = read.left_out_features(every[row : row + 1], until)
    np.testing.assert_allclose(past, read.user_features(every[row : row + 1]), atol=1e-6)


def test_leave_one_out_trains_and_lacking_users_are_named(world: World, tmp_path: Path) -> None:
    users = sorted(set(world.rows.column("user_id").to_pylist()))
    asked = pd.DataFrame({"user_id": users, "item_id": "a000", "timestamp": CUT})
    whole = history_rows(world.source, asked)
    made = train_towers(
        world.rows, world.catalogue, world.blocks(), small(), out=tmp_path / "one", whole=whole
    )
    popular = np.bincount(
        world.catalogue.index_of(world.rows.column("item_id").to_pylist()), minlength=40
    ).astype(float)
    by_popularity = world.hit_rate(np.tile(popular, (len(world.users), 1)))
    assert world.hit_rate(world.scores(made)) > by_popularity + 0.1
    with pytest.raises(TrainingError, match="whole histories lack"):
        train_towers(
            world.rows,
            world.catalogue,
            world.blocks(),
            small(),
            out=tmp_path / "two",
            whole=whole[: len(users) // 2],
        )


@pytest.mark.parametrize("context_types", [[], ["music", "podcast", "radio"]])
def test_any_number_of_types_may_help(
    world: World, tmp_path: Path, context_types: list[str]
) -> None:
    rows = world.rows
    for name in ("item_ids", "signals", "times"):
        for kind in ("music", "radio"):
            rows = rows.append_column(f"{kind}_{name}", rows.column(f"podcast_{name}"))
    settings = small(f"data.context_types={json.dumps(context_types)}")
    made = train_towers(rows, world.catalogue, world.blocks(), settings, out=tmp_path / "towers")
    assert made.user_spec.types == ("audiobook", *context_types)
    knn_term = made.towers.user.knn_term
    assert knn_term is not None
    assert knn_term.names == tuple(f"{kind}_text" for kind in made.user_spec.types)
    examples = TowerExamples.read(rows, world.catalogue, world.blocks(), settings)
    features = examples.user_features(np.arange(len(examples)))
    own = made.user_spec.history("audiobook")
    # Without another type there is nothing to answer a cold user by.
    assert (examples.cold(features)[:, own] != features[:, own]).any() == bool(context_types)


@pytest.mark.slow
def test_kill_9_in_mid_training_and_run_again(
    world: World, result: TowersResult, tmp_path: Path
) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.training.towers.test_loop import World, small, train_towers\n"
        "world = World(Path(sys.argv[1]))\n"
        "train_towers(world.rows, world.catalogue, world.blocks(), small(), out=Path(sys.argv[2]))"
    )
    out = tmp_path / "towers"
    command = [sys.executable, "-c", script, str(tmp_path / "source"), str(out)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    state = out / "checkpoint.safetensors"
    give_up = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "user_tower.onnx").exists()
    subprocess.run(command, cwd=Path(__file__).parents[3], check=True, timeout=120)
    assert folder_digests(out) == folder_digests(result.folder)
