from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.files import combined_digest, folder_digests, sweep_partials, write_aside


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), write_aside(target) as aside:  # noqa: PT012
        aside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for text in ("old", "new"):
        with write_aside(target) as aside:
            aside.mkdir()
            (aside / f"{text}.txt").write_text(text)
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_killed_write_is_swept(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from colisten.files import write_aside\n"
        "with write_aside(pathlib.Path(sys.argv[1]) / 'a') as aside:\n"
        "    aside.write_text('half'); print('ready', flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert not (tmp_path / "a").exists()
    assert len(sweep_partials(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_digests_tell_content_and_names_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    first = combined_digest(folder_digests(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    assert combined_digest(folder_digests(tmp_path)) != first
    (tmp_path / "b").rename(tmp_path / "a")
    assert combined_digest(folder_digests(tmp_path)) == first
