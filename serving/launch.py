"""Starting the service on a folder, with the embedded index server beside it, and ending both."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from colisten.errors import ConfigError, ReleaseError, ReleaseNotFound, StoreError
from colisten.files import located
from colisten.index.opening import index_class
from colisten.index.resolve import resolve_index
from colisten.logs import logger
from colisten.release.feature_files import FEATURES, repositories
from colisten.release.lineage import servable
from colisten.release.store import ReleaseStore
from colisten.serving.door import Admission
from colisten.serving.environment import Environment
from colisten.serving.exporters import exporters_of
from colisten.serving.heartbeat import watched
from colisten.settings.sections import ServingSettings
from colisten.settings.tree import Settings
from colisten.store.address import StoreAddress
from colisten.threads import share_cores
from colisten.variables import ARBITER, HEARTBEATS, TOKEN, WORKERS

_log = logger("serving.launch")


def launch(
    home: Path,
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    store: StoreAddress | None = None,
) -> None:
    """Answer on `host:port` until SIGTERM or SIGINT.

    BentoML's arbiter runs in this process, its workers in children of it. A worker that hangs is
    ended, and another takes its place. An index server that does not start, or ends, is started
    again; until then exact search answers.

    Args:
        home: The folder that `colisten run --out` made.
        settings: The whole tree.
        host: IP address.
        port: TCP port.
        workers: Processes that answer.
        store: What `home` mirrors; None where it is the truth itself.

    Raises:
        ConfigError: The folder has no feature store, the address cannot be listened on, or no
            such exporter of traces is installed.
        ReleaseNotFound: No release is live.
    """
    # Resolved once: whoever comes to the folder by another path finds the same index server.
    home = located(home)
    environment = Environment(home, settings, store)
    mirror_now(environment)
    check_home(environment)
    check_address(host, port)
    check_operators(environment.settings.serving, port)
    environment = with_page(environment, host)
    warn_if_open(Admission.of(environment.settings.serving, os.environ), host)
    exporters_of(os.environ)
    with ExitStack() as stack:
        index = resolve_index(settings.index, ReleaseStore(home).index_settings())
        stack.enter_context(index_class(index.backend).companion(home, index))
        share_cores(os.environ, workers)
        bentoml_home = stack.enter_context(_private_folder())
        beats = Path(bentoml_home) / "beats"
        beats.mkdir()
        stack.enter_context(watched(beats, settings.serving.hang_seconds))
        os.environ.update(
            environment.variables()
            | {
                WORKERS: str(workers),
                ARBITER: str(os.getpid()),
                HEARTBEATS: str(beats),
                "BENTOML_HOME": bentoml_home,
            }
        )
        # BentoML reads its environment on import.
        from colisten.serving.service import Colisten

        service: Any = Colisten  # the decorator made a bentoml.Service of the class
        service.serve_http(host=host, port=port)


def with_page(environment: Environment, host: str) -> Environment:
    """The environment of workers that listen on `host`: its page is shown where nobody else reaches
    it, unless `serving.page` says something."""
    serving = environment.settings.serving
    if serving.page is not None:
        return environment
    page = serving.model_copy(update={"page": loopback(host)})
    settings = environment.settings.model_copy(update={"serving": page})
    return replace(environment, settings=settings)


def mirror_now(environment: Environment) -> None:
    """Bring the home up to date with its store, where it mirrors one.

    A store that is out of reach is no reason not to serve what was fetched before.

    Raises:
        ConfigError: Its online features are a file of one folder, or the folder is no mirror of it.
        StoreError: It is out of reach and nothing was fetched before, or it is no store.
        ReleaseError: What it holds is not what it should be, and nothing was fetched before.
    """
    if environment.store is None:
        return
    from colisten.store.bucket import Bucket
    from colisten.store.mirror import Mirror

    mirror = Mirror(environment.home, Bucket(environment.store))
    try:
        with mirror.turn():
            mirror.fetch(liked=environment.settings.experiment.pinned.values())
    except (StoreError, ReleaseError) as error:
        if not servable(environment.releases):
            raise
        _log.warning("store_not_reached", error=str(error), instead="what was fetched before")
    mirror.check_served()


def loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warn_if_open(admission: Admission, host: str) -> None:
    """Say so where everybody who reaches the service may read and write what people did."""
    if admission.token is None and not loopback(host):
        _log.warning(
            "open_to_all",
            host=host,
            why="whoever reaches this address reads and writes what people did, unasked",
            do=f"set serving.token_file or {TOKEN}, or let a mesh ask who they are",
        )


def check_home(environment: Environment) -> None:
    """Refuse a folder that cannot be served from, saying what to do.

    Raises:
        ConfigError: There is no such folder, or no feature store in it.
        ReleaseNotFound: No release is live, or no release that was is there.
        ReleaseCorrupt: No manifest of one can be read, or the pointer cannot be believed.
        ReleaseUnsigned: None is signed by the key that settings name.
    """
    if not environment.home.is_dir():
        raise ConfigError(f"No folder {environment.home}.", "Give the --out of `colisten run`.")
    store = ReleaseStore(environment.home, public_key=environment.settings.release.public_key)
    candidates = servable(store.releases)
    if not candidates:
        store.live()  # says what is wrong with a pointer that is there
        raise ReleaseNotFound(
            f"No release is live in {environment.home}.",
            "`colisten run` makes one; `colisten release promote ID --out DIR` makes one live.",
        )
    if not repositories(environment.home):
        raise ConfigError(
            f"No feature store at {environment.home / FEATURES}.",
            "Run `colisten run` with this --out again: it builds one.",
        )
    faults: list[ReleaseError] = []
    for release_id in candidates:
        try:
            store.check_signature(store.show(release_id))
        except ReleaseError as error:
            faults.append(error)
        else:
            return
    raise faults[0]


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is started."""
    if not host.strip() or not host.isascii():
        raise ConfigError(
            f"--host '{host}' is no address.",
            "Give an IP address; 0.0.0.0 listens on every one.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, TypeError, ValueError, OverflowError) as error:  # NUL, labels, ports
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise ConfigError(
                f"Cannot listen on {host}:{port}: {reason}.",
                "Give another --host (an IP address) or --port.",
            ) from error


def check_operators(serving: ServingSettings, port: int) -> None:
    """Refuse an operators' port that is the service's own or cannot be listened on.

    Raises:
        ConfigError: It is.
    """
    if serving.operator_port is None:
        return
    if serving.operator_port == port:
        raise ConfigError(
            f"serving.operator_port is {port}, which is the service's own.", "Give another one."
        )
    check_address(serving.operator_host, serving.operator_port)


@contextmanager
def _private_folder() -> Iterator[str]:
    # A shared BENTOML_HOME has one metrics folder, which every service clears as it starts.
    folder = tempfile.mkdtemp(prefix="colisten-bentoml-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
