"""Weights are pinned, and no code of the package that they come in is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from colisten.errors import TextError
from colisten.files import combined_digest, folder_digests
from colisten.text.bundled import MINILM, BundledModel


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of weights that tells when it is imported."""
    folder = tmp_path / "planted_weights"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('it ran')")
    (folder / "model" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_weights_are_found_without_an_import_and_another_file_is_refused(package: Path) -> None:
    digest = combined_digest(folder_digests(package / "model"))
    model = BundledModel("planted_weights", "planted-weights==1", digest)
    assert model.folder() == package / "model"
    assert "planted_weights" not in sys.modules
    for name in ("config.json", "pytorch_model.bin", "modules.json"):
        file = package / "model" / name
        before = file.read_bytes() if file.exists() else None
        file.write_text("another")
        with pytest.raises(TextError, match=r"not those of planted-weights==1"):
            model.folder()
        file.unlink()
        if before is not None:
            file.write_bytes(before)
    assert model.folder()


def test_ours_are_those_that_are_pinned_and_are_encoded_with_unimported() -> None:
    code = (
        "import sys; from colisten.text.encoders import load_encoder; "
        "assert load_encoder('minilm').encode(['a'], 1).shape == (1, 384); "
        f"assert {MINILM.package!r} not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_pin_is_that_of_pyproject() -> None:
    assert f'"{MINILM.requirement}"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()
