"""`colisten run` on small tables: asserted on its artifacts, killed, resumed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import colisten
from benchmarks import threads
from colisten.cli.run import next_commands
from colisten.errors import ReleaseUnsigned
from colisten.files import combined_digest, folder_digests
from colisten.graph.graph import CoListeningGraph
from colisten.release.feature_files import bound_features
from colisten.release.store import ReleaseStore
from colisten.serving.requests import RecommendRequest
from colisten.settings.tree import load_settings
from tests.ahead import Made
from tests.conftest import CUT, START, write_tiny_source
from tests.key_pairs import pair
from tests.runs import QUICK, WINDOW_DAYS, command, run

pytestmark = pytest.mark.slow


def artifact(out: Path, step: str, name: str) -> Path:
    """The latest artifact of a step, that of the fit as of the cut; the backtest's is earlier."""
    return max(out.glob(f"steps/{step}-*/{name}"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def by_library(ahead: dict[str, Made]) -> Path:
    """OUT of the same run by `colisten.run` in a process of its own."""
    out, running = ahead["by_library"]
    done = running.result()
    assert done.returncode == 0, done.stderr
    return out


def test_every_step_leaves_typed_artifacts(finished: Path) -> None:
    graph = artifact(finished, "build_graph", "graph")
    folds = {f"fold-{k}.arrow" for k in range(5)}
    assert {path.name for path in graph.iterdir()} == {
        "full",
        "validation",
        "validation.json",
        *folds,
    }
    # The earlier graph ends where the held-out rows begin, so it is the smaller one.
    validation_from = json.loads((graph / "validation.json").read_text())
    assert START.timestamp() * 1e6 < validation_from < CUT.timestamp() * 1e6
    edges = [CoListeningGraph.load(graph / name).num_edges for name in ("validation", "full")]
    assert 0 < edges[0] < edges[1]
    vectors = np.load(artifact(finished, "train_hgnn", "vectors") / "z.npy")
    assert vectors.shape == (100, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    factors, earlier = (
        np.load(artifact(finished, "inspect_graph", "factors") / f"{name}.npy")
        for name in ("factors", "factors_validation")
    )
    assert factors.shape == earlier.shape == (100, 128)
    assert not np.array_equal(factors, earlier)
    rows = pq.read_table(artifact(finished, "build_training_rows", "rows") / "rows.parquet")
    assert rows.num_rows > 100
    for page in ("train_hgnn/curve", "train_towers/curve", "evaluate/page", "report/drift"):
        assert "<html" in artifact(finished, *page.split("/")).read_text()[:2000].lower()
    assert "A model can learn" in (finished / "reports" / "graph.html").read_text()
    card = (finished / "reports" / "model_card.html").read_text()
    assert f"Model card of {ReleaseStore(finished).live()}" in card
    assert json.loads((finished / "reports" / "graph.json").read_text())["edges"] > 100
    for metrics in finished.glob("steps/*/metrics"):
        assert json.loads(metrics.read_text()), metrics


def test_the_log_says_how_long_steps_of_training_took(finished: Path) -> None:
    taken = threads.step_times((finished / "steps/run.log").read_text())
    assert len(taken) == 2
    assert all(0 < milliseconds < 60_000 for milliseconds in taken)


def test_training_rows_hold_nothing_from_their_own_moment_on(finished: Path) -> None:
    rows = pq.read_table(artifact(finished, "build_training_rows", "rows") / "rows.parquet")
    checked = 0
    for row in rows.to_pylist():
        moment = int(row["timestamp"].timestamp() * 1e6)
        for item_type in ("audiobook", "podcast"):
            times = row[f"{item_type}_times"]
            checked += len(times)
            assert all(time < moment for time in times)
    assert checked > 1000


def test_the_table_has_every_model_with_intervals(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    for window in ("test", "validation"):
        table = metrics[window]
        assert {"popularity", "text-KNN", "HGNN-mean", "2T", "2T-HGNN"} <= set(table["models"])
        for row in table["rows"]:
            if row["users"]:
                measure = row["metrics"]["HR@10"]
                assert measure["low"] <= measure["value"] <= measure["high"]
    assert (
        metrics["validation"]["cut"][:10] == (CUT - timedelta(days=WINDOW_DAYS)).date().isoformat()
    )


def test_every_user_with_history_gets_a_list_without_what_they_had(
    finished: Path, tiny_source: Path
) -> None:
    table = pq.read_table(finished / "recommendations.parquet")
    assert table.column_names == ["user_id", "item_id", "rank", "score"]
    frame = table.to_pandas()
    events = pq.read_table(tiny_source / "interactions.parquet").to_pandas()
    before = events[events.timestamp < CUT]
    assert set(frame.user_id) == set(before.user_id)
    streamed = before[(before.signal == "stream") & (before.item_type == "audiobook")]
    had = set(zip(streamed.user_id, streamed.item_id, strict=True))
    assert had
    assert not had & set(zip(frame.user_id, frame.item_id, strict=True))
    lists = frame.groupby("user_id")
    assert (
        lists["rank"].apply(list).map(lambda ranks: ranks == list(range(1, len(ranks) + 1)))
    ).all()
    assert lists["score"].apply(lambda scores: scores.is_monotonic_decreasing).all()


def test_the_release_is_live_whole_and_verified(finished: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "colisten", "release", "list", "--out", str(finished)],
        capture_output=True,
        text=True,
        check=True,
    )
    release_id = json.loads((finished / "metrics.json").read_text())["release"]["release_id"]
    assert release_id in done.stdout
    assert live_release(finished) == release_id


def test_the_live_release_can_be_explained(finished: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "colisten", "explain", "--out", str(finished)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "matters" in done.stdout
    found = json.loads((finished / "reports" / "explain.json").read_text())
    assert found["release_id"] == live_release(finished)
    table = json.loads((finished / "metrics.json").read_text())["test"]
    assert table["unreachable_targets"] == 0
    assert found["users"] == table["users"]["all"]
    measured = next(
        row["metrics"]
        for row in table["rows"]
        if (row["model"], row["slice"]) == (table["subject"], "all")
    )
    for name in ("HR@10", "MRR"):
        assert abs(found["importance"]["baseline"][name] - measured[name]["value"]) < 1e-6
    groups = {(one["side"], one["group"]) for one in found["importance"]["groups"]}
    assert {("user", "z of podcast history"), ("item", "popularity")} <= groups
    assert {view["space"] for view in found["map"]} == {"taste", "text", "z"}


def test_what_to_do_next_works_as_it_is_printed(finished: Path) -> None:
    similar, serve, curl, *others = map(shlex.split, next_commands(finished, live=True))
    assert serve[:2] == ["colisten", "serve"]
    asked = json.loads(curl[curl.index("-d") + 1])
    RecommendRequest.model_validate(asked)
    lists = pq.read_table(finished / "recommendations.parquet")
    assert asked["history"][0]["item_id"] in lists["item_id"].to_pylist()
    told = " ".join([*similar, *serve, *curl, *(word for line in others for word in line)])
    assert not [user for user in set(lists["user_id"].to_pylist()) if user in told], "no ids"
    for command_line in (similar, *others):
        done = subprocess.run(
            [sys.executable, "-m", *command_line], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def live_release(out: Path) -> str:
    return str(json.loads((out / "releases/LIVE").read_text())["release_id"])


def digests(out: Path) -> dict[str, str]:
    """What must not depend on the future: graph, training rows, release."""
    return {
        "graph": combined_digest(folder_digests(artifact(out, "build_graph", "graph"))),
        "rows": combined_digest(folder_digests(artifact(out, "build_training_rows", "rows"))),
        "release": live_release(out),
    }


def run_here(data: Path, out: Path) -> None:
    """The same run in this process, where torch and Feast are imported already."""
    colisten.run(data, CUT, out, load_settings(None, QUICK), window_days=WINDOW_DAYS)


def remove_later(events: pa.Table) -> pa.Table:
    return events.filter(pa.compute.less(events["timestamp"], pa.scalar(CUT)))


def alter_later(events: pa.Table) -> pa.Table:
    """Shuffle who did what after the cut, and what it was."""
    frame = events.to_pandas()
    rng = np.random.default_rng(7)
    later = np.flatnonzero(frame.timestamp >= CUT)
    for columns in (["user_id"], ["item_id", "item_type"], ["signal"], ["timestamp"]):
        frame.loc[later, columns] = frame.loc[rng.permutation(later), columns].to_numpy()
    return pa.Table.from_pandas(frame, schema=events.schema, preserve_index=False)


@pytest.fixture(scope="module")
def futures(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """OUT of a run per change of what happens after the cut."""
    outs: dict[str, Path] = {}
    events = pq.read_table(tiny_source / "interactions.parquet")
    for change in (remove_later, alter_later):
        data = tmp_path_factory.mktemp("data")
        for file in tiny_source.glob("*.parquet"):
            (data / file.name).write_bytes(file.read_bytes())
        changed = change(events)
        assert not changed.equals(events)
        pq.write_table(changed, data / "interactions.parquet")
        outs[change.__name__] = tmp_path_factory.mktemp("future") / "out"
        run_here(data, outs[change.__name__])
    return outs


@pytest.mark.parametrize("change", ["remove_later", "alter_later"])
def test_the_release_depends_on_nothing_after_the_cut(
    finished: Path, futures: dict[str, Path], change: str
) -> None:
    assert digests(futures[change]) == digests(finished)


def test_where_a_run_lies_changes_nothing(finished: Path, futures: dict[str, Path]) -> None:
    """Nor does it change the lists, beside that of a folder of an awkward name."""
    assert all(sign in str(finished) for sign in "=[]'%# ü")
    folders = (finished, *futures.values())
    first, *others = (
        pq.ParquetFile(folder / "recommendations.parquet").read() for folder in folders
    )
    assert all(first.equals(other) for other in others)


@pytest.mark.parametrize("door", ["library", "pipeline"])
def test_every_door_makes_the_same_release_whatever_the_environment_says_of_threads(
    finished: Path, by_library: Path, piped: Path, door: str
) -> None:
    out = {"library": by_library, "pipeline": piped}[door]
    assert live_release(out) == live_release(finished)


def test_a_broken_table_stops_the_run_before_anything_is_written(tmp_path: Path) -> None:
    data = write_tiny_source(tmp_path / "data")
    events: list[dict[str, Any]] = pq.read_table(data / "interactions.parquet").to_pylist()
    events[0]["signal"] = "liked"
    pq.write_table(pa.Table.from_pylist(events), data / "interactions.parquet")
    done = run(data, tmp_path / "out")
    assert done.returncode == 2
    assert "liked" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cut_outside_the_data_is_refused(tmp_path: Path, tiny_source: Path) -> None:
    arguments = command(tiny_source, tmp_path / "out")
    arguments[arguments.index("--cut") + 1] = (START - timedelta(days=30)).date().isoformat()
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "NoHistory" in done.stderr
    assert not (tmp_path / "out").exists()
    late = (CUT + timedelta(days=400)).date().isoformat()
    arguments[arguments.index("--cut") + 1] = late
    for door in (["run"], ["pipeline", "run"]):
        done = subprocess.run(
            [*arguments[:3], *door, *arguments[4:]], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        assert "CutAfterData" in done.stderr
        assert "--allow-late-cut" in done.stderr
        assert not (tmp_path / "out").exists()
    arguments[arguments.index("--cut") + 1] = "yesterday"
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "yesterday" in done.stderr


def test_quick_settings_are_settings() -> None:
    assert load_settings(None, QUICK).hgnn.max_steps == 20


def test_a_run_signs_what_it_publishes(piped: Path) -> None:
    store = ReleaseStore(piped, public_key=piped.parent / "release.pub")
    manifest = store.live_manifest()
    assert manifest is not None
    store.check_signature(manifest)
    assert manifest.features is not None
    bound = bound_features(piped, manifest)
    assert bound is not None
    assert bound["sources"] == {manifest.features}
    others = ReleaseStore(piped, public_key=pair(piped.parent, "other")[1])
    with pytest.raises(ReleaseUnsigned):
        others.check_signature(manifest)
