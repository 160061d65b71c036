"""After `forget` no file, row, list or answer names the person, and all else is as it was."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from colisten.cli.app import answer
from colisten.data.table_log import logged
from colisten.errors import ConfigError, FeatureError, FileError, PipelineError
from colisten.experiments.plan import SHOWN
from colisten.features.seen import id_hashes
from colisten.features.store import OnlineFeatures
from colisten.files import folder_digests
from colisten.index import ExactIndex
from colisten.privacy import places
from colisten.privacy.forget import forget
from colisten.release.front import load_release
from colisten.release.golden_set import FOLDER
from colisten.release.seen import USERS
from colisten.release.store import ReleaseStore
from tests.conftest import FIELDS
from tests.feature_folders import live_features, online_db
from tests.privacy.home import ONCE, PERSON, SIMILAR, PlantedHome, naming


def online(out: Path) -> OnlineFeatures:
    return OnlineFeatures(live_features(out), lambda ids: np.arange(len(ids)), FIELDS)


def hashed_in(folder: Path, user_id: str) -> list[str]:
    own = id_hashes([user_id])[0]
    return [str(file) for file in folder.rglob(USERS) if own in np.load(file)]


def test_the_person_is_everywhere_before(planted: PlantedHome) -> None:
    """What the other tests look for is there to be found."""
    named = naming(planted.out, PERSON)
    assert {name.split("/")[0] for name in named} == {
        *("features", "steps", "shelves", "exposures", "experiment", "recommendations.parquet"),
    }
    assert any(name.startswith("features/online_") for name in named)
    assert len(hashed_in(planted.out, PERSON)) == 2


def test_nothing_names_the_person_afterwards(home: PlantedHome) -> None:
    done = forget(home.out, PERSON)
    assert naming(home.out, PERSON) == []
    assert hashed_in(home.out, PERSON) == []
    assert not list((home.out / "steps").glob("*/")), "lists without ids go with the steps"
    assert {one.place.split("/")[0] for one in done.found} == {
        *("features", "recommendations.parquet", "shelves", "exposures", "experiment"),
        *("releases", "steps"),
    }
    assert not online(home.out).read([PERSON]).known[0]
    again = forget(home.out, PERSON)
    assert again.found == ()
    assert [one.place for one in again.named] == []


def test_everybody_else_stays(home: PlantedHome, planted: PlantedHome) -> None:
    forget(home.out, PERSON)
    for file in planted.out.rglob("*.parquet"):
        name = file.relative_to(planted.out)
        if name.parts[0] in ("steps", "releases", "index"):
            continue
        before, after = pq.read_table(file), pq.read_table(home.out / name)
        if "user_id" in before.column_names:
            before = before.filter(pc.not_equal(before["user_id"], PERSON))
        assert after.equals(before, check_metadata=True), name
        assert (home.out / name).stat().st_mtime_ns == file.stat().st_mtime_ns
    others = ["u0001", SIMILAR, "u0042"]
    was, now = online(planted.out).read(others), online(home.out).read(others)
    for item_type, history in was.histories.items():
        assert now.histories[item_type].times.tolist() == history.times.tolist()
    np.testing.assert_array_equal(was.ages, now.ages)
    folder = home.out / "exposures" / "shelf-1" / "exposures"
    rows = pa.Table.from_batches(logged(folder, SHOWN))
    assert rows["user_id"].to_pylist() == ["u0001", SIMILAR] * 2


def test_releases_verify_and_answer_everybody_else_alike(
    home: PlantedHome, planted: PlantedHome
) -> None:
    before = load_release(planted.out)
    golden = {
        state: folder_digests(planted.out / "releases" / state / FOLDER)
        for state in (planted.live, planted.previous)
    }
    forget(home.out, PERSON)
    store, index = ReleaseStore(home.out), ExactIndex(home.out / "index" / "exact")
    states = {one.state: one.release_id for one in store.list()}
    assert set(states) == {"live", "previous"}
    assert not set(states.values()) & {home.live, home.previous}
    for state, release_id in states.items():
        assert store.verify(release_id, index).passed
        old = {"live": home.live, "previous": home.previous}[state]
        assert folder_digests(store.folder(release_id) / FOLDER) == golden[old]
    assert sorted(index.collections()) == sorted(f"release_{one}" for one in states.values())
    after = load_release(home.out)
    for user in ("u0001", SIMILAR, "u0042"):
        assert after.loaded.seen.of(user).tolist() == before.loaded.seen.of(user).tolist()
        shelves = [
            [(item.item_id, item.score, item.why) for item in one.recommend(user)]
            for one in (before, after)
        ]
        assert shelves[0] == shelves[1]
    assert store.rollback() == states["previous"]


def test_a_dry_run_says_the_same_and_changes_nothing(home: PlantedHome) -> None:
    before = folder_digests(home.out)
    planned = forget(home.out, PERSON, dry_run=True)
    assert folder_digests(home.out) == before
    done = forget(home.out, PERSON)
    assert planned.found == done.found
    assert planned.dry_run


def test_tables_that_are_brought_are_named_and_not_changed(home: PlantedHome) -> None:
    before = folder_digests(home.tables)
    (home.out / "reports" / "letter.html").write_text("<p>who&#x27;s</p><p>Dear u0042,</p>")
    done = forget(home.out, "u0042", tables=[home.tables])
    assert folder_digests(home.tables) == before
    named = {one.place for one in done.named}
    assert {str(home.tables / f"{name}.parquet") for name in ("interactions", "users", "music")} < (
        named
    )
    assert "reports/letter.html" in named
    assert not any("not looked at" in sentence for sentence in done.remains)
    assert any("not looked at" in sentence for sentence in forget(home.out, "u0042").remains)


def test_what_is_ended_in_the_middle_is_finished_by_calling_again(
    home: PlantedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended before each of its deletions and renames: nothing is half, the next call ends it."""
    remove, left = places.ParquetTable.remove, 0

    def ended(self: places.ParquetTable, user_id: str) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return remove(self, user_id)

    monkeypatch.setattr(places.ParquetTable, "remove", ended)
    for calls in range(30):
        left = calls
        try:
            forget(home.out, PERSON)
        except KeyboardInterrupt:
            assert naming(home.out, PERSON)
        else:
            break
    assert calls > 5
    assert naming(home.out, PERSON) == []
    assert not list(home.out.rglob("*.partial"))


def test_steps_go_last_of_those_that_name_the_person(
    home: PlantedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists by position know no ids: they must not be left behind by a call that was ended."""
    removed: list[str] = []
    whole = shutil.rmtree

    def noted(path: Path, **how: Any) -> None:
        removed.append(Path(path).name)
        whole(path, **how)

    monkeypatch.setattr(shutil, "rmtree", noted)
    forget(home.out, PERSON)
    steps = [name for name in removed if name.endswith("-1")]
    assert steps == ["evaluate-1", "check_tables-1"]


def test_a_store_out_of_reach_is_said_and_keeps_nothing_else(home: PlantedHome) -> None:
    file = online_db(live_features(home.out))
    content = file.read_bytes()
    file.write_bytes(b"no database, but long enough to be none" * 100)
    with pytest.raises(FeatureError, match="Forget again"):
        forget(home.out, PERSON)
    assert naming(home.out, PERSON) == []
    file.write_bytes(content)
    assert forget(home.out, PERSON).found[0].place.startswith("features/")


def test_a_damaged_table_is_said_and_keeps_nothing_else(home: PlantedHome) -> None:
    file = home.out / "shelves" / "popularity.parquet"
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(56)
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"popularity\.parquet"):
        forget(home.out, PERSON)
    file.unlink()
    assert naming(home.out, PERSON) == []
    file.write_bytes(b"PAR1")
    done = forget(home.out, PERSON)
    assert "shelves/popularity.parquet cannot be read" in " ".join(done.remains)


def test_nobody_is_forgotten_under_a_run(home: PlantedHome) -> None:
    with (home.out / "steps" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="A run is working"):
            forget(home.out, PERSON)
    assert naming(home.out, PERSON)


@pytest.mark.parametrize("user_id", ["", " ", "\ud800"])
def test_what_is_no_id_is_refused(home: PlantedHome, user_id: str) -> None:
    with pytest.raises(ConfigError, match="id"):
        forget(home.out, user_id)
    with pytest.raises(ConfigError, match="No folder"):
        forget(home.out / "none", "u1")


def test_ids_that_are_near_are_others(home: PlantedHome) -> None:
    before = naming(home.out, PERSON)
    assert forget(home.out, "%").found == ()
    assert forget(home.out, ONCE).found == (), "who is no longer called that"
    assert forget(home.out, "*").found == ()
    assert naming(home.out, PERSON) == before


def test_the_command_says_what_it_did_and_never_the_id(
    home: PlantedHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.out / "reports" / "letter.html").write_text("<p>Dear u0042</p>")
    code = answer(["forget", "u0042", "--out", str(home.out), "--dry-run", "--json"])
    planned = json.loads(capsys.readouterr().out)
    assert (code, planned["dry_run"]) == (0, True)
    assert answer(["forget", "u0042", "--out", str(home.out)]) == 0
    shown = capsys.readouterr()
    assert "u0042" not in shown.out + shown.err
    assert "reports/letter.html" in shown.out
    for one in planned["found"]:
        assert one["place"][:20] in shown.out
    monkeypatch.setattr("sys.stdin", (home.out / "id.txt").open("w+"))
    assert answer(["forget", "u0042", "--out", str(home.out)]) == 0
    assert "Nothing here holds the person." in capsys.readouterr().out
