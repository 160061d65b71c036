"""A written tower is the trained one, byte for byte reproducible, or is not written at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from colisten.errors import TrainingError
from colisten.features.transform import UserFeatureSpec
from colisten.files import folder_digests
from colisten.models import export
from colisten.models.export import check_parity, export_towers, read_specs, write_onnx
from colisten.models.items import ItemFeatureSpec
from colisten.models.knn_term import KnnTermLayout
from colisten.models.member import Member, UserMember
from colisten.models.score_weights import ScoreWeights
from colisten.models.towers import Tower, TwoTowers, tower_vectors, user_vectors
from colisten.settings.towers import TowerSettings

USER = UserFeatureSpec(
    countries=("SE", "DE"),
    age_mean=40.0,
    age_scale=10.0,
    music_mean=(0.0, 0.0),
    music_scale=(1.0, 1.0),
    types=("audiobook", "podcast"),
    half_life_days=60.0,
    signal_weights=(1.0, 0.7, 0.4, 0.7),
    vector_dim=6,
)
ITEM = ItemFeatureSpec(
    target_type="audiobook",
    languages=("en",),
    genres=("a",),
    blocks={"text": 6},
    popularity_half_lives=(7.0, 30.0, 365.0),
)
SHAPE = TowerSettings(hidden=(32, 16), dim=8)
WARM = USER.history("audiobook").stop - 1


def trained() -> TwoTowers:
    """Towers whose every weight is non-zero, as after training."""
    torch.manual_seed(1)
    towers = TwoTowers(USER.width, ITEM.dense_width, SHAPE, KnnTermLayout.of(USER, ITEM), WARM)
    for member in (*towers.user.members, *towers.item.members):
        assert isinstance(member, Member)
        member.standardise(np.linspace(-1, 1, member.width), np.linspace(0, 3, member.width))
        torch.nn.init.normal_(member.out.weight)
    for member in towers.user.members:
        assert isinstance(member, UserMember)
        torch.nn.init.normal_(member.prior.weight)
        torch.nn.init.normal_(member.prior_skip.weight, std=0.1)
    catalogue = np.random.default_rng(2).normal(size=(9, ITEM.width)).astype(np.float32)
    weights = ScoreWeights(
        members=(0.7, 0.3),
        taste=(0.25, 0.75),
        floor=((0.75, 0.0, 0.0), (0.25, 0.0, 0.0)),
        knn=(2.0, 0.5),
    )
    towers.fit_to_catalogue(catalogue, weights)
    return towers.eval()


def write(out: Path, towers: TwoTowers) -> None:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(20, USER.width)), rng.normal(size=(9, ITEM.width))
    export_towers(
        out,
        towers=towers,
        user_spec=USER,
        item_spec=ITEM,
        item_vectors=tower_vectors(towers.item, items.astype(np.float32)),
        history_vectors=rng.normal(size=(12, 6)).astype(np.float32),
        curve=[{"epoch": 1, "fit_loss": 0.5}],
        user_features=users.astype(np.float32),
        item_features=items.astype(np.float32),
    )


def test_the_folder_holds_what_serving_needs(tmp_path: Path) -> None:
    towers = trained()
    write(tmp_path / "towers", towers)
    assert set(folder_digests(tmp_path / "towers")) == {
        "user_tower.onnx",
        "item_tower.onnx",
        "towers.safetensors",
        "spec.json",
        "item_vectors.npy",
        "history_vectors.npy",
        "curve.json",
    }
    assert read_specs(tmp_path / "towers") == (USER, ITEM)
    assert json.loads((tmp_path / "towers/curve.json").read_text()) == [
        {"epoch": 1, "fit_loss": 0.5}
    ]
    again = TwoTowers(USER.width, ITEM.dense_width, SHAPE, KnnTermLayout.of(USER, ITEM), WARM)
    again.load_state_dict(load_file(tmp_path / "towers/towers.safetensors"))
    features = np.random.default_rng(3).normal(size=(5, USER.width)).astype(np.float32)
    np.testing.assert_array_equal(user_vectors(again, features), user_vectors(towers, features))


@pytest.mark.parametrize("rows", [1, 2, 257])
def test_onnx_answers_as_torch_does_for_any_batch(tmp_path: Path, rows: int) -> None:
    towers = trained()
    write(tmp_path / "towers", towers)
    features = np.random.default_rng(2).normal(0, 5, (rows, USER.width)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "towers/user_tower.onnx")
    (served,) = session.run(["vectors"], {"features": features})
    assert served.shape == (rows, 2 * 8 + 3 + 6 + 2)
    np.testing.assert_allclose(served, user_vectors(towers, features), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(served, axis=1), 1.0, atol=1e-5)


def test_the_papers_form_has_neither_skip_nor_gate(tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape = TowerSettings(
        hidden=(32, 16), dim=8, members=1, linear_skip=False, popularity_half_lives=()
    )
    towers = TwoTowers(USER.width, ITEM.dense_width, shape).eval()
    file = tmp_path / "tower.onnx"
    for tower in (towers.user, towers.item):
        assert (tower.dim, tower.input_width) == (8, tower.width)
        write_onnx(tower, file)
        features = np.random.default_rng(0).normal(size=(4, tower.width)).astype(np.float32)
        assert check_parity(tower, file, features) <= 1e-5
    assert not any("skip" in name for name in towers.state_dict())


def test_equal_towers_are_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one", trained())
    write(tmp_path / "two", trained())
    assert folder_digests(tmp_path / "one") == folder_digests(tmp_path / "two")


def test_a_wrong_onnx_is_never_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(tower: Tower, file: Path) -> None:
        write_onnx(tower, file)
        model = onnx.load(file)
        next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Tanh"
        onnx.save(model, file)

    write(tmp_path / "towers", trained())
    before = folder_digests(tmp_path / "towers")
    monkeypatch.setattr(export, "write_onnx", wrong)
    with pytest.raises(TrainingError, match="differs from the trained tower"):
        write(tmp_path / "towers", trained())
    assert folder_digests(tmp_path / "towers") == before
    assert [path.name for path in tmp_path.iterdir()] == ["towers"]


def test_parity_catches_other_weights(tmp_path: Path) -> None:
    towers = trained()
    file = tmp_path / "tower.onnx"
    write_onnx(towers.user, file)
    features = np.random.default_rng(0).normal(size=(4, USER.width)).astype(np.float32)
    assert check_parity(towers.user, file, features) <= 1e-5
    member = towers.user.members[1]
    assert isinstance(member, Member)
    assert member.skip is not None
    with torch.no_grad():
        member.skip.weight[0, 5] += 0.1
    with pytest.raises(TrainingError, match="do not publish"):
        check_parity(towers.user, file, features)


def test_diverged_vectors_are_refused(tmp_path: Path) -> None:
    towers = trained()
    member = towers.item.members[0]
    assert isinstance(member, Member)
    assert member.skip is not None
    with torch.no_grad():
        member.skip.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        write(tmp_path / "towers", towers)
    assert not (tmp_path / "towers").exists()
