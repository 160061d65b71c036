from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from colisten.errors import ReleaseError
from colisten.explain.inputs import ExplanationInputs
from colisten.explain.logits import ServedTowers, UserSample, log_softmax
from colisten.json_files import read_json, write_json
from colisten.models.knn_term import KnnTermLayout
from colisten.models.score_weights import ScoreWeights
from colisten.models.towers import tower_vectors
from colisten.models.vector_layout import VectorLayout
from tests.explain.home import HALF_LIVES, Plant, planted_towers
from tests.explain.samples import drawn_sample


@pytest.mark.parametrize("with_knn_term", [False, True])
def test_logits_are_those_of_the_trained_softmax(
    inputs: ExplanationInputs, with_knn_term: bool
) -> None:
    """Serving's unit vectors hide a factor of each user; it must come back exactly."""
    served = inputs.towers
    knn_term = KnnTermLayout.of(served.user_spec, served.item_spec) if with_knn_term else None
    towers = planted_towers(served.user_spec, served.item_spec, Plant(popularity=0.7), knn_term)
    weights = ScoreWeights.plain(2, len(HALF_LIVES), (0.5, 1.0, -0.3, 2.0) * with_knn_term)
    towers.fit_to_catalogue(inputs.item_features, weights)
    towers.eval()
    users = torch.from_numpy(inputs.user_features)
    items = torch.from_numpy(inputs.item_features)
    with torch.inference_mode():
        popularity = items[:, towers.item.width :] - towers.item.level
        each = towers.logits(users, items[:, : towers.item.width], popularity)
        wanted = torch.stack(each).mean(dim=0)
        if knn_term is not None:
            heard = knn_term.of_users(users, towers.user.knn_weights[1])
            wanted += heard @ towers.item.beside(items)[:, len(HALF_LIVES) :].T
        found = served.logits(towers.user(users).numpy(), towers.item(items).numpy())
    assert np.abs(found - wanted.numpy()).max() < 1e-3


@pytest.mark.parametrize("with_knn_term", [False, True])
def test_the_parts_of_a_score_add_up_to_the_inner_product(
    inputs: ExplanationInputs, with_knn_term: bool
) -> None:
    served = inputs.towers
    knn_term = KnnTermLayout.of(served.user_spec, served.item_spec) if with_knn_term else None
    towers = planted_towers(served.user_spec, served.item_spec, Plant(popularity=0.7), knn_term)
    weights = ScoreWeights.plain(2, len(HALF_LIVES), (0.5, 1.0, -0.3, 2.0) * with_knn_term)
    towers.fit_to_catalogue(inputs.item_features, weights)
    layout = VectorLayout(
        taste=towers.user.taste_dim,
        members=2,
        temperature=1.0,
        popularity=len(HALF_LIVES),
        similarity=dict(zip(knn_term.blocks, knn_term.dims, strict=True)) if knn_term else {},
    )
    users = tower_vectors(towers.user, inputs.user_features)
    items = tower_vectors(towers.item, inputs.item_features)
    assert layout.dim == users.shape[1] == items.shape[1]
    for user in users[:5]:
        parts = layout.parts(user, items)
        np.testing.assert_allclose(sum(parts.values()), items @ user, atol=1e-6)
        assert np.abs(parts["taste"]).max() > 0.01
        assert np.abs(parts["popularity"]).max() > 0.01
        assert bool(np.abs(parts["similarity"]).max() > 0.01) == with_knn_term


def test_vectors_of_another_length_than_the_towers_say_have_no_parts(
    inputs: ExplanationInputs, tmp_path: Path
) -> None:
    folder, dim = inputs.release.folder, inputs.release.item_vectors.shape[1]
    assert VectorLayout.read(folder, dim) == inputs.towers.layout
    assert VectorLayout.read(folder, dim - 1) is None
    assert VectorLayout.read(tmp_path, dim) is None
    write_json(tmp_path / "spec.json", {"taste_dim": 4, "members": "two"})
    assert VectorLayout.read(tmp_path, 4) is None


def test_tastes_are_unit_vectors_without_popularity(inputs: ExplanationInputs) -> None:
    taste = inputs.towers.taste(inputs.release.item_vectors)
    assert taste.shape[1] == inputs.release.item_vectors.shape[1] - len(HALF_LIVES) - 2
    np.testing.assert_allclose(np.linalg.norm(taste, axis=1), 1.0, atol=1e-5)


def test_a_folder_without_towers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="Cannot read the towers"):
        ServedTowers(tmp_path)


def test_towers_of_an_older_version_are_refused_with_a_way_out(
    inputs: ExplanationInputs, tmp_path: Path
) -> None:
    """They were served by another formula, which their vectors do not tell."""
    spec = read_json(inputs.release.folder / "spec.json")
    write_json(tmp_path / "spec.json", {k: v for k, v in spec.items() if k != "members"})
    with pytest.raises(ReleaseError, match=r"an older version made them\. Make a release"):
        ServedTowers(tmp_path)


def test_a_sample_keeps_each_users_own_rows(inputs: ExplanationInputs) -> None:
    sample = inputs.sample
    rows = np.array([5, 1, 9])
    some = sample.take(rows)
    assert some.user_ids.tolist() == sample.user_ids[rows].tolist()
    for at, row in enumerate(rows):
        assert some.targets[at].tolist() == sample.targets[int(row)].tolist()
        assert some.exclusions[at].tolist() == sample.exclusions[int(row)].tolist()


def test_blocks_cover_everyone_once() -> None:
    sample = drawn_sample(np.zeros((7, 3)))
    assert np.concatenate(list(sample.blocks())).tolist() == list(range(7))


def test_masks_hide_what_may_not_be_shown(inputs: ExplanationInputs) -> None:
    sample: UserSample = inputs.sample
    rows = np.arange(4)
    masked = sample.masked(np.zeros((4, len(sample.available)), np.float32), rows)
    for row in rows.tolist():
        closed = set(sample.exclusions[row].tolist())
        closed |= set(np.flatnonzero(~sample.available).tolist())
        assert set(np.flatnonzero(np.isinf(masked[row])).tolist()) == closed


def test_log_softmax_sums_to_one_and_keeps_what_is_closed() -> None:
    logits = np.array([[1000.0, 1001.0, -np.inf], [0.0, 0.0, 0.0]], dtype=np.float32)
    log_p = log_softmax(logits)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)
    assert log_p[0, 2] == -np.inf
