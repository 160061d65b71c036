"""A model repository is made of a release and repairs itself; its calls fail as they say."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import ReleaseError, TowerAbsent, TowerBusy, TowerError
from colisten.index import ExactIndex
from colisten.release.manifest import Manifest
from colisten.release.store import ReleaseStore
from colisten.settings.triton import TritonSettings
from colisten.triton.inference import Connections, LostConnection
from colisten.triton.leases import Lease, Leases
from colisten.triton.repository import ModelConfig, ModelRepository
from colisten.triton.retry_budget import RetryBudget
from colisten.triton.start import image_command
from tests.conftest import CUT, heeding_signals
from tests.release.payloads import make_parts


@pytest.fixture(scope="module")
def published(
    tiny_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("published")
    store = ReleaseStore(folder / "out")
    payload = make_parts(folder / "parts", tiny_history, CUT).payload(folder / "payload")
    release_id = store.publish(payload, ExactIndex(folder / "index"))
    return store.folder(release_id), store.show(release_id)


def test_a_release_is_a_model_and_what_is_damaged_is_written_anew(
    published: tuple[Path, Manifest], tmp_path: Path
) -> None:
    release, manifest = published
    repository = ModelRepository(tmp_path / "models", TritonSettings())
    name = repository.write(release, manifest)
    folder = tmp_path / "models" / name
    assert name == f"user_tower_{manifest.release_id}"
    assert [*(tmp_path / "models").iterdir()] == [folder]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.pbtxt", "configs/onnxruntime.pbtxt", "1/model.onnx", "1/model.py"}
    assert (folder / "1/model.onnx").read_bytes() == (release / "user_tower.onnx").read_bytes()
    config = (folder / "config.pbtxt").read_text()
    assert f"dims: [ {manifest.dims['user_features']} ]" in config
    assert 'backend: "python"' in config

    before = (folder / "config.pbtxt").stat().st_ino
    repository.write(release, manifest)
    assert (folder / "config.pbtxt").stat().st_ino == before, "what is whole is left alone"
    (folder / "1/model.onnx").write_bytes(b"another")
    repository.write(release, manifest)
    assert (folder / "1/model.onnx").read_bytes() == (release / "user_tower.onnx").read_bytes()


def test_the_other_backend_is_beside_it(published: tuple[Path, Manifest], tmp_path: Path) -> None:
    release, manifest = published
    folder = tmp_path / ModelRepository(tmp_path, TritonSettings(backend="onnxruntime")).write(
        release, manifest
    )
    assert 'backend: "onnxruntime"' in (folder / "config.pbtxt").read_text()
    assert 'backend: "python"' in (folder / "configs/python.pbtxt").read_text()


def test_a_tower_that_is_not_the_releases_is_no_model(
    published: tuple[Path, Manifest], tmp_path: Path
) -> None:
    _, manifest = published
    (tmp_path / "user_tower.onnx").write_bytes(b"another")
    with pytest.raises(ReleaseError, match="digest"):
        ModelRepository(tmp_path / "models", TritonSettings()).write(tmp_path, manifest)
    assert not [*(tmp_path / "models").iterdir()]


def test_a_repository_that_cannot_be_written_says_what_to_do(
    published: tuple[Path, Manifest], tmp_path: Path
) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(TowerError, match="colisten triton write"):
        ModelRepository(tmp_path / "models", TritonSettings()).write(*published)


def test_what_waits_longer_than_its_caller_is_rejected() -> None:
    config = ModelConfig("m", 3, 2, batch=8, queue=5, wait_ms=30)
    text = config.text("python")
    assert "default_timeout_microseconds: 30000" in text
    assert "timeout_action: REJECT" in text
    assert "max_queue_size: 5" in text
    assert "max_queue_size: 6" in replace(config, queue=6).text("python")


def test_the_image_loads_nothing_unasked() -> None:
    words = image_command(Path("/models")).shell().split()
    assert words[:2] == ["tritonserver", "--model-repository=/models"]
    assert "--model-control-mode=explicit" in words


def test_retries_are_a_share_of_the_calls() -> None:
    budget = RetryBudget(0.25)
    assert sum(budget.take() for _ in range(20)) == 10, "it is full at the start"
    for _ in range(8):
        budget.note_call()
    assert sum(budget.take() for _ in range(20)) == 2
    assert not RetryBudget(0.0).take()


def held(leases: Leases) -> list[str]:
    """What a sweep would not unload, of the models `a` and `b`."""
    with leases.unheld() as models:
        return sorted({"a", "b"} - set(models))


def test_a_model_is_left_by_its_last_holder(tmp_path: Path) -> None:
    leases, others = Leases(tmp_path / "x", "http://a:1/"), Leases(tmp_path / "x", "http://b:1")
    one, two, b = leases.take("a"), leases.take("a"), leases.take("b")
    assert held(leases) == ["a", "b"]
    one.close()
    assert held(leases) == ["a", "b"]
    two.close()
    with others.unheld() as models:
        assert models == [], "another server's models are others"
    assert held(leases) == ["b"]
    with leases.unheld() as models:
        assert models == [], "once it is unloaded it is nobody's any more"
    b.close()
    with pytest.raises(TowerError), leases.unheld() as models:
        raise TowerError(str(models))  # it could not be unloaded
    with leases.unheld() as models:
        assert models == ["b"], "so the next look tries again"


def test_who_comes_while_a_model_is_unloaded_waits_and_holds_it_then(tmp_path: Path) -> None:
    leases = Leases(tmp_path, "http://a:1")
    leases.take("a").close()
    taken = threading.Event()

    kept = list[Lease]()

    def come() -> None:
        kept.append(leases.take("a"))
        taken.set()

    with leases.unheld() as models:
        assert models == ["a"]
        thread = threading.Thread(target=come)
        thread.start()
        assert not taken.wait(0.1)
    assert taken.wait(5)
    thread.join()
    with leases.unheld() as models:
        assert models == []
    kept[0].close()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from colisten.triton.leases import Leases\n"
        "kept = Leases(pathlib.Path(sys.argv[1]), 'http://a:1').take('a')\n"
        "print('taken', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        preexec_fn=heeding_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"taken\n"
    leases = Leases(tmp_path, "http://a:1")
    with leases.unheld() as models:
        assert models == []
    process.kill()
    process.wait()
    with leases.unheld() as models:
        assert models == ["a"]


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Somebody who listens and answers one connection as told; no Triton."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def reply(status: str, body: bytes, *headers: str) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)

    return answer


ONE = np.zeros((1, 4), np.float32)
HOSTILE: dict[str, tuple[Callable[[socket.socket], None], type[TowerError], str]] = {
    "no array": (reply("200 OK", b"{}"), TowerError, "without an array"),
    "short": (
        reply("200 OK", b"{}1234", "Inference-Header-Content-Length: 2"),
        TowerError,
        "4 bytes",
    ),
    "length": (
        reply("200 OK", b"{}", "Inference-Header-Content-Length: -9"),
        TowerError,
        "without an array",
    ),
    "no HTTP": (
        lambda connection: connection.sendall(b"\x00\xff\r\n\r\n"),
        LostConnection,
        "reach",
    ),
    "closed": (lambda connection: None, LostConnection, "reach"),
    "busy": (
        reply("503 No", b'{"error":"Exceeds maximum queue size"}'),
        TowerBusy,
        "Exceeds maximum queue size",
    ),
    "unknown": (
        reply("404 No", b'{"error":"Request for unknown model: \'m\' is not found"}'),
        TowerAbsent,
        "unknown model",
    ),
    "no JSON": (reply("500 No", b"<html>"), TowerError, "500"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_whatever_comes_back_is_vectors_or_an_error_of_ours(case: str) -> None:
    answer, kind, words = HOSTILE[case]
    with server(answer) as url:
        connections = Connections(url)
        with pytest.raises(TowerError, match=words) as caught:
            connections.infer("m", ONE, 2, 5.0)
        connections.drop()
    assert type(caught.value) is kind


def test_nobody_there_is_a_lost_connection_and_silence_a_time_out() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(LostConnection):
            Connections(f"http://127.0.0.1:{port}").infer("m", ONE, 2, 5.0)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        connections = Connections(f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            connections.infer("m", ONE, 2, 0.05)
        assert time.monotonic() - begun < 1.0
