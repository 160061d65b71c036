"""What can be killed, stopped, filled or damaged of a service that runs, and how it is undone."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from benchmarks.serving_path import Place
from benchmarks.serving_process import Process, Redis
from benchmarks.serving_triton import Triton
from colisten.feature_repo.repo import materialize
from colisten.index.lite_server import endpoint_of
from colisten.json_files import read_mapping
from colisten.release.feature_files import features_of

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
Undo = Callable[[], None]


@dataclass(frozen=True)
class Scene:
    """A service and what can be broken of it.

    Attributes:
        place: Its folder.
        process: Its processes.
        work: A folder for whatever is needed.
        redis: Where features are, or None.
        milvus: The index server, or None.
        tower: The tower's server, or None.
    """

    place: Place
    process: Process
    work: Path
    redis: Redis | None = None
    milvus: psutil.Process | None = None
    tower: Triton | None = None


Hit = Callable[[Scene], Undo]


def kill_worker(scene: Scene) -> Undo:
    """SIGKILL to one of the workers."""
    scene.process.workers()[0].kill()
    return lambda: None


def stop_worker(scene: Scene) -> Undo:
    """SIGSTOP to one of the workers, and nobody lets it go on."""
    scene.process.workers()[0].suspend()
    return lambda: None


def fill_disk(scene: Scene) -> Undo:
    """No worker can make any file longer; what a full disk does to whoever appends."""
    workers = scene.process.workers()

    def limit(size: int) -> None:
        for each in workers:
            with suppress(psutil.Error):
                each.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit(0)
    return lambda: limit(resource.RLIM_INFINITY)


def damage_file(scene: Scene) -> Undo:
    """Other bytes in place, in the vectors of the live release."""
    file = scene.place.release.folder / "item_vectors.npy"
    at = file.stat().st_size // 2
    with file.open("r+b") as stream:
        stream.seek(at)
        kept = stream.read(4096)
        stream.seek(at)
        stream.write(os.urandom(len(kept)))

    def undo() -> None:
        with file.open("r+b") as stream:
            stream.seek(at)
            stream.write(kept)

    return undo


def truncate_file(scene: Scene) -> Undo:
    """Nearly nothing is left of the vectors of the live release."""
    file = scene.place.release.folder / "item_vectors.npy"
    kept = file.read_bytes()
    os.truncate(file, 200)

    def undo() -> None:
        with file.open("r+b") as stream:
            stream.write(kept)

    return undo


def kill_redis(scene: Scene) -> Undo:
    """SIGKILL; an empty one comes in its place, and is filled as an operator would."""
    redis, place = scene.redis, scene.place
    assert redis is not None
    redis.kill()

    def undo() -> None:
        redis.start()
        materialize(
            features_of(place.home, place.release.manifest),
            as_of=datetime.fromisoformat(place.release.manifest.as_of),
        )

    return undo


def stop_redis(scene: Scene) -> Undo:
    """SIGSTOP: it takes connections and says nothing."""
    assert scene.redis is not None
    return _stopped(scene.redis.process)


def kill_lite(scene: Scene) -> Undo:
    """SIGKILL to the embedded index."""
    _lite(scene).kill()
    return lambda: None


def stop_lite(scene: Scene) -> Undo:
    """SIGSTOP to the embedded index."""
    return _stopped(_lite(scene))


def stop_milvus(scene: Scene) -> Undo:
    """SIGSTOP to the index server."""
    assert scene.milvus is not None
    return _stopped(scene.milvus)


def stop_triton(scene: Scene) -> Undo:
    """SIGSTOP to the tower's server and its backends."""
    tower = scene.tower
    assert tower is not None
    tower.send(signal.SIGSTOP)
    return lambda: tower.send(signal.SIGCONT)


def kill_triton(scene: Scene) -> Undo:
    """SIGKILL to the tower's server and its backends; an operator starts it again."""
    assert scene.tower is not None
    scene.tower.kill()
    return scene.tower.start


def clock_ahead(scene: Scene) -> Undo:
    """The wall clock of the service is a day ahead."""
    return _clock(scene, "+1d")


def clock_behind(scene: Scene) -> Undo:
    """The wall clock of the service is a day behind."""
    return _clock(scene, "-1d")


def _stopped(process: psutil.Process) -> Undo:
    process.suspend()

    def undo() -> None:
        process.resume()

    return undo


def _lite(scene: Scene) -> psutil.Process:
    return psutil.Process(int(read_mapping(endpoint_of(scene.place.home))["pid"]))


def faked(file: Path) -> dict[str, str]:
    """Variables by which a process takes its wall clock from a file, and no other clock."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _clock(scene: Scene, shift: str) -> Undo:
    file = scene.work / "clock"
    file.write_text(shift)

    def undo() -> None:
        file.write_text("+0")

    return undo
