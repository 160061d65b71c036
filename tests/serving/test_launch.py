"""What cannot be served is refused at the door, with exit code 2 and what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.errors import ConfigError, ReleaseCorrupt, ReleaseNotFound
from colisten.index import ExactIndex
from colisten.logs import configure_logs
from colisten.release.journal import JOURNAL, Journal
from colisten.release.pointer import Pointer
from colisten.release.store import ReleaseStore
from colisten.serving.door import Admission
from colisten.serving.environment import Environment, workers
from colisten.serving.launch import check_address, check_home, check_operators, warn_if_open
from colisten.settings.sections import ServingSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT
from tests.release.payloads import make_parts


def live(releases: Path, release_id: str) -> None:
    """A pointer, and the line that is behind it."""
    Journal(releases / JOURNAL).append("promoted", release_id, previous=None)
    Pointer(release_id).write(releases)


def test_a_pointer_that_nothing_is_behind_is_said(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    Pointer("r0123456789abcdef").write(tmp_path / "releases")
    with pytest.raises(ReleaseCorrupt, match=r"no line of journal\.jsonl"):
        check_home(Environment(tmp_path, Settings()))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No folder"):
        check_home(Environment(tmp_path / "absent", Settings()))


def test_a_folder_without_a_live_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="colisten release promote"):
        check_home(Environment(tmp_path, Settings()))


def test_a_folder_without_a_feature_store(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    live(tmp_path / "releases", "r0123456789abcdef")
    with pytest.raises(ConfigError, match="No feature store"):
        check_home(Environment(tmp_path, Settings()))


def test_a_pointer_to_a_release_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "feature_store.yaml").write_text("project: colisten")
    live(tmp_path / "releases", "r0123456789abcdef")
    with pytest.raises(ReleaseNotFound, match="r0123456789abcdef"):
        check_home(Environment(tmp_path, Settings()))


def test_a_damaged_live_release_is_no_reason_not_to_start(
    tiny_history: Path, tmp_path: Path
) -> None:
    home = tmp_path / "out"
    store, index = ReleaseStore(home), ExactIndex()
    for seed in (0, 1):
        parts = make_parts(tmp_path / str(seed), tiny_history, CUT, seed=seed)
        store.promote(store.publish(parts.payload(tmp_path / f"payload-{seed}"), index), index)
    (home / "features").mkdir()
    (home / "features" / "feature_store.yaml").write_text("project: colisten")
    live = store.live()
    assert live is not None
    for release_id in [live, *(one.release_id for one in store.list() if one.release_id != live)]:
        check_home(Environment(home, Settings()))
        (store.folder(release_id) / "manifest.json").write_text("{}")
    with pytest.raises(ReleaseCorrupt, match=live):
        check_home(Environment(home, Settings()))


def test_an_address_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="Cannot listen"):
            check_address("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="IP address"):
        check_address("300.1.2.3", 3000)


def test_the_operators_port_is_another_and_free() -> None:
    check_operators(ServingSettings(), 3000)
    with pytest.raises(ConfigError, match="the service's own"):
        check_operators(ServingSettings(operator_port=3000), 3000)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="Cannot listen"):
            check_operators(ServingSettings(operator_port=taken.getsockname()[1]), 3000)


@pytest.mark.parametrize(
    ("host", "token", "warned"),
    [("0.0.0.0", None, True), ("127.0.0.1", None, False), ("::", b"x", False), ("::", None, True)],
)
def test_a_service_that_is_open_to_all_says_so(
    host: str, token: bytes | None, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    warn_if_open(Admission(token=token), host)
    assert ("open_to_all" in capsys.readouterr().err) is warned


def test_the_command_exits_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No release is live" in done.stderr
    assert "colisten run" in done.stderr


def test_the_environment_survives_its_variables(tmp_path: Path) -> None:
    settings = Settings.model_validate({"index": {"backend": "exact"}})
    given = Environment(tmp_path, settings)
    assert Environment.read(given.variables()) == Environment(tmp_path.resolve(), settings)
    assert Environment.read({"COLISTEN_HOME": str(tmp_path)}).settings == Settings()


@pytest.mark.parametrize("home", [None, "", "/no such folder"])
def test_an_environment_without_a_folder_is_refused(home: str | None) -> None:
    with pytest.raises(ConfigError, match="COLISTEN_HOME"):
        Environment.read({} if home is None else {"COLISTEN_HOME": home})


def test_workers_are_a_positive_number() -> None:
    assert workers({}) == 1
    assert workers({"COLISTEN_WORKERS": "4"}) == 4
    for bad in ("0", "-1", "two", ""):
        with pytest.raises(ConfigError, match="COLISTEN_WORKERS"):
            workers({"COLISTEN_WORKERS": bad})
