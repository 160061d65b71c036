"""What a refresh takes from the live release, and what it makes of it without a training."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import ConfigError, ReleaseNotFound
from colisten.release.manifest import Bound, Manifest
from colisten.release.payload import HGNN_FILES
from colisten.release.store import ReleaseStore
from colisten.settings.tree import Settings, load_settings
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors
from colisten.steps.embed_items import embed_items
from colisten.steps.take_released import Taken, take_released
from tests.ahead import Made
from tests.conftest import CUT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(ahead: dict[str, Made]) -> Path:
    """OUT of one finished run."""
    out, running = ahead["finished"]
    assert running.result().returncode == 0
    return out


def latest(out: Path, step: str, name: str) -> Path:
    """The artifact of the fit as of the cut; the backtest's is earlier."""
    return max(out.glob(f"steps/{step}-*/{name}"), key=lambda path: path.stat().st_mtime)


def taken(home: Path, folder: Path, settings: Settings | None = None) -> Taken:
    folder.mkdir()
    return take_released(home, text=(settings or Settings()).text, out=folder)


def test_the_released_hgnn_embeds_as_its_training_did(finished: Path, tmp_path: Path) -> None:
    """On every graph, each without a user fold among them: no row sees its own user's edges."""
    live = taken(finished, tmp_path / "taken")
    assert live.trained_until.value == CUT.isoformat()
    made = embed_items(
        GraphSet.load(latest(finished, "build_graph", "graph")),
        TextVectors.load(latest(finished, "embed_text", "vectors")),
        live.hgnn,
        threads=2,
    ).vectors
    trained = ItemVectors.load(latest(finished, "train_hgnn", "vectors"))
    for name in ("z", "z_folds", "z_validation"):
        found, wanted = getattr(made, name), getattr(trained, name)
        np.testing.assert_allclose(found, wanted, atol=1e-6, err_msg=name)
    assert len(made.z_folds) == 5
    assert all(not np.array_equal(fold, made.z) for fold in made.z_folds)


def test_weights_have_seen_what_the_release_had_that_trained_them(
    finished: Path, tmp_path: Path
) -> None:
    """A refreshed release carries older weights: they have seen no more for it."""
    home = tmp_path / "home"
    shutil.copytree(finished / "releases", home / "releases")
    store = ReleaseStore(home)
    live = store.resolve()
    folder = store.folder(live)
    manifest = store.show(live)
    earlier = (CUT - timedelta(days=14)).isoformat()
    fields = set(Bound.model_fields) & manifest.model_fields_set
    bound = Bound(**{**manifest.model_dump(include=fields), "as_of": earlier})
    for same, until in ((True, earlier), (False, CUT.isoformat())):
        weights = manifest.files[HGNN_FILES[0]]
        other = weights if same else weights.model_copy(update={"sha256": "0" * 64})
        made = Manifest.bind(bound, {**manifest.files, HGNN_FILES[0]: other})
        copy = folder.parent / made.release_id
        shutil.copytree(folder, copy)
        made.write(copy)
        assert taken(home, tmp_path / f"taken-{same}").trained_until.value == until
        shutil.rmtree(copy)


def test_another_text_encoder_or_nothing_live_is_refused(finished: Path, tmp_path: Path) -> None:
    other = load_settings(None, ("text.encoder=hashing",))
    with pytest.raises(ConfigError, match=r"was made with the text encoder .*not hashing"):
        taken(finished, tmp_path / "taken", other)
    with pytest.raises(ReleaseNotFound):
        taken(tmp_path / "nothing", tmp_path / "other")
