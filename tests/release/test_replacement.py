"""A release takes the place of another, whatever that was, and a call that was ended goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.errors import ReleaseError, ReleaseUnsigned
from colisten.index import ExactIndex
from colisten.release import replacement
from colisten.release.private_copy import PrivateCopies
from colisten.release.replacement import replace
from colisten.release.store import ReleaseStore
from tests.key_pairs import pair
from tests.release.payloads import Parts


@pytest.fixture(scope="module")
def others(
    parts: Parts, payloads: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Payloads to stand in for those of `payloads`."""
    folder = tmp_path_factory.mktemp("others")
    return tuple(  # type: ignore[return-value]
        parts.payload(folder / str(number), feature_service=f"serving_v{number}")
        for number in range(2)
    )


def states(store: ReleaseStore) -> dict[str, str]:
    return {one.state: one.release_id for one in store.list()}


@pytest.fixture
def ids(store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]) -> list[str]:
    """Two releases, the second live, the first previous."""
    made = []
    for payload in payloads:
        made.append(store.publish(payload, index))
        store.promote(made[-1], index)
    return made


def test_live_and_previous_are_replaced_in_any_order(
    store: ReleaseStore, index: ExactIndex, ids: list[str], others: tuple[Path, Path]
) -> None:
    live = replace(store, ids[1], others[0], index)
    assert states(store) == {"live": live, "previous": ids[0]}
    previous = replace(store, ids[0], others[1], index)
    assert states(store) == {"live": live, "previous": previous}
    assert index.collections() == sorted([f"release_{live}", f"release_{previous}"])
    assert index.resolve_alias("colisten_live") == f"release_{live}"
    assert store.rollback(index) == previous
    assert store.rollback(index) == live
    for release_id in (live, previous):
        assert store.verify(release_id, index).passed


def test_the_previous_one_first(
    store: ReleaseStore, index: ExactIndex, ids: list[str], others: tuple[Path, Path]
) -> None:
    previous = replace(store, ids[0], others[1], index)
    assert states(store) == {"live": ids[1], "previous": previous}
    live = replace(store, ids[1], others[0], index)
    assert states(store) == {"live": live, "previous": previous}


def test_the_first_release_has_none_before_it(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path], others: tuple[Path, Path]
) -> None:
    only = store.publish(payloads[0], index)
    candidate = store.publish(payloads[1], index)
    store.promote(only, index)
    live = replace(store, only, others[0], index)
    assert states(store) == {"live": live, "candidate": candidate}
    replaced = replace(store, candidate, others[1], index)
    assert states(store) == {"live": live, "candidate": replaced}
    assert replace(store, live, others[0], index) == live, "the same again changes nothing"
    assert states(store) == {"live": live, "candidate": replaced}
    with pytest.raises(ReleaseError, match="No release before"):
        store.rollback(index)


def test_what_takes_the_place_of_a_signed_release_is_signed(
    store: ReleaseStore,
    index: ExactIndex,
    ids: list[str],
    others: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    private, public = pair(tmp_path, "ours")
    for each in ids:
        store.sign(each, private)
    strict = ReleaseStore(store.root, public_key=public)
    with pytest.raises(ReleaseUnsigned, match=r"is signed.*release\.signing_key"):
        replace(strict, ids[1], others[0], index)
    assert states(store) == {"live": ids[1], "previous": ids[0]}, "nothing is replaced"
    live = replace(strict, ids[1], others[0], index, signing_key=private)
    assert states(store) == {"live": live, "previous": ids[0]}
    strict.check_signature(strict.show(live))


def test_a_call_that_was_ended_goes_on(
    store: ReleaseStore,
    index: ExactIndex,
    ids: list[str],
    others: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ended after the switch, before and after the pointer's second half, before the removal."""
    for step in ("writers_turn", "_point", "remove_release"):
        with monkeypatch.context() as patch:
            patch.setattr(replacement, step, _ended)
            with pytest.raises(KeyboardInterrupt):
                replace(store, ids[1], others[0], index)
        assert store.live() not in (None, ids[1])
    live = replace(store, ids[1], others[0], index)
    assert states(store) == {"live": live, "previous": ids[0]}


def test_what_a_process_serves_stays_until_it_follows(
    store: ReleaseStore,
    index: ExactIndex,
    ids: list[str],
    others: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replacement, "_FOLLOW_SECONDS", 0.2)
    copies = PrivateCopies(tmp_path / "copies")
    copy = copies.take(store.folder(ids[1]))
    with pytest.raises(ReleaseError, match="goes on serving"):
        replace(store, ids[1], others[0], index)
    assert states(store)["live"] != ids[1]
    assert store.folder(ids[1])
    copy.close()
    live = replace(store, ids[1], others[0], index)
    assert states(store) == {"live": live, "previous": ids[0]}


def _ended(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
