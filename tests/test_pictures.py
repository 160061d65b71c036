"""The pictures of the docs are made by one command, from what a run left."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests import pictures
from tests.explain.conftest import home

__all__ = ["home"]

ROOT = Path(__file__).parent.parent


def test_every_picture_of_the_docs_is_one_that_the_command_takes() -> None:
    names = {
        f"{page}{ending}.webp"
        for page in pictures.PAGES
        for ending, _, _, dark in pictures.VIEWS
        if not dark or page in pictures.DARK
    } | {f"{pictures.SERVED}{ending}.webp" for ending, *_ in pictures.VIEWS}
    files = {file.name for file in pictures.IMAGES.glob("*")}
    assert files <= names | set(pictures.BY_TESTS)
    assert all(name in (ROOT / test).read_text() for name, test in pictures.BY_TESTS.items())
    texts = [file.read_text() for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    named = {name for text in texts for name in re.findall(r"images/([\w.-]+\.webp)", text)}
    assert named <= files


@pytest.mark.slow
def test_the_command_takes_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    out = tmp_path / "run"
    shutil.copytree(home, out)
    monkeypatch.setattr("sys.argv", ["pictures", str(out), "--images", str(tmp_path / "images")])
    pictures.main()
    sizes = {file.stem: _size(file) for file in (tmp_path / "images").iterdir()}
    # The planted run has no evaluation and no graph.
    pages = {"shelf", "shelf-phone", "shelf-dark", "explain", "explain-phone"}
    assert set(sizes) == pages
    for name, (width, height) in sizes.items():
        assert width == (390 if name.endswith("-phone") else 1280)
        assert height > 200
    light, dark = ((tmp_path / "images" / f"shelf{end}.webp").read_bytes() for end in ("", "-dark"))
    assert light != dark


def _size(file: Path) -> tuple[int, int]:
    """Width and height of a WebP picture in the lossy form (RFC 9649, section 2.5 and 2.7)."""
    head = file.read_bytes()[:30]
    assert (head[:4], head[8:12]) == (b"RIFF", b"WEBP")
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    assert head[12:16] == b"VP8 "
    width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width, height
