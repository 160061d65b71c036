"""Does a release answer as it should, by itself and through its index?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colisten.errors import ReleaseError, VectorIndexError
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.index.protocol import VectorIndex
from colisten.release.golden_set import TOLERANCE, TOP
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import Manifest
from colisten.settings.sections import GateSettings

SAMPLE = 100
_TIE = 1e-5


@dataclass(frozen=True)
class Verification:
    """What was checked and with which result.

    Attributes:
        release_id: Of the release.
        files: Files whose digests agree.
        golden_users: Users whose recorded answers were reproduced.
        indexed: Items in its index collection.
        index_recall: Recall@10 of the index against exact search.
        faults: What is wrong, one sentence each; empty means it passed.
        index_search: How the collection is searched and what was measured of that, see
            `SearchRecord`; None where nothing had to be chosen.
    """

    release_id: str
    files: int
    golden_users: int
    indexed: int
    index_recall: float | None
    faults: tuple[str, ...]
    index_search: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def described(self, index: VectorIndex) -> dict[str, Any]:
        """The index for the journal, with how the collection is searched."""
        search = self.index_search
        return {**index.describe(), **({} if search is None else {"search": search})}

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "faults": list(self.faults), "passed": self.passed}


def verify_release(folder: Path, index: VectorIndex) -> Verification:
    """Check a release folder and its collection.

    File digests; features, vectors and answers of the golden set to 1e-5; the collection's size;
    recall@10 of the index on its users and on 100 items against the release's own
    gate.min_index_recall.

    Raises:
        ReleaseCorrupt: The folder is not what its manifest says; nothing else was checked.
    """
    release = LoadedRelease.load(folder)
    faults = golden_set_faults(release)
    recall, index_faults, indexed = check_collection(release, index)
    return Verification(
        release_id=release.release_id,
        files=len(release.manifest.files),
        golden_users=len(release.golden_set().vectors),
        indexed=indexed,
        index_recall=recall,
        faults=(*faults, *index_faults),
        index_search=index.search_record(release.manifest.collection) if indexed else None,
    )


def golden_set_faults(release: LoadedRelease) -> list[str]:
    """What differs between the recorded answers and this machine's."""
    golden, spec = release.golden_set(), release.spec
    batch = UserBatch.from_table(golden.rows, release.index_of, spec.fields)
    features = encode_users(spec, batch, release.history_vectors)
    vectors = release.tower.from_features(golden.features)
    faults = []
    for name, made, recorded in (
        ("features", features, golden.features),
        ("vectors", vectors, golden.vectors),
        ("vectors from rows", release.user_vectors(batch), golden.vectors),
    ):
        gap = float(np.abs(made - recorded).max()) if made.shape == recorded.shape else np.inf
        if not gap <= TOLERANCE:
            faults.append(f"Golden {name} differ from the recorded ones by {gap:.2g}.")
    if faults:
        return faults
    ids, scores = release.exact(golden.vectors, TOP)
    for at, (scored, expected) in enumerate(zip(scores, golden.top_scores, strict=True)):
        # Scores and not ids: two items that score the same may change places.
        same = len(scored) == len(expected)
        if not same or not np.allclose(scored, expected, atol=TOLERANCE, rtol=0):
            faults.append(
                f"Golden user {at} is answered {ids[at][:3]}..., "
                f"recorded {golden.top_ids[at][:3]}...."
            )
    return faults


def check_collection(
    release: LoadedRelease, index: VectorIndex
) -> tuple[float | None, list[str], int]:
    """Recall@10 (None if not measurable), faults and size of a release's collection."""
    manifest = release.manifest
    try:
        if manifest.collection not in index.collections():
            return None, [f"The index has no collection {manifest.collection}."], 0
        indexed = index.count(manifest.collection)
        wanted = manifest.counts["target_items"]
        if indexed != wanted:
            fault = f"Collection {manifest.collection} has {indexed} items, not {wanted}."
            return None, [fault], indexed
        recall = index_recall(release, index)
    except VectorIndexError as error:
        return None, [f"The index does not answer: {error}"], 0
    least = GateSettings.model_validate(manifest.settings["gate"]).min_index_recall
    if recall < least:
        fault = f"Recall@{TOP} of the index is {recall:.3f}, below gate.min_index_recall {least}."
        return recall, [fault], indexed
    return recall, [], indexed


def index_recall(release: LoadedRelease, index: VectorIndex) -> float:
    """Share of the exact top ten that the index finds, over golden users and evenly spaced items.

    An item that scores as high as the exact tenth counts as found, so ties cost nothing.
    """
    n = len(release.item_vectors)
    items = np.unique(np.linspace(0, n - 1, num=min(SAMPLE, n)).astype(np.int64))
    queries = np.concatenate([release.golden_set().vectors, release.item_vectors[items]])
    answers, _ = index.search(release.manifest.collection, queries, TOP)
    _, exact = release.exact(queries, TOP)
    hits = wanted = 0
    for query, ids, scores in zip(queries, answers, exact, strict=True):
        rows = release.index_of(ids) - release.target.start
        rows = rows[(rows >= 0) & (rows < n)]
        own = release.item_vectors[rows] @ query
        hits += int((own >= scores[-1] - _TIE).sum())
        wanted += len(scores)
    return hits / wanted


def load_checked(folder: Path) -> Manifest | None:
    """The manifest of a folder that is whole; None where it is not."""
    try:
        manifest = Manifest.read(folder)
        manifest.check_files(folder)
    except ReleaseError:
        return None
    return manifest
