"""Secrets are named and never said: in settings, in what a run leaves, on the way to a server."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from colisten.addresses import keeps_secrets
from colisten.errors import ConfigError, VectorIndexError
from colisten.feature_repo.stores import write_config
from colisten.index import open_index
from colisten.index.resolve import resolve_index
from colisten.serving.environment import Environment
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import load_settings, settings_table
from colisten.steps.build_features import build_features
from colisten.steps.settings import settings_from_json, settings_json
from colisten.variables import HOME, MILVUS_TOKEN, SETTINGS
from tests.planted import REFERENCE, SECRET, holding

LITERALS = (
    f"cache:6379,password={SECRET}",
    f"cache:6379,ssl=true,password={SECRET},retry=1",
    f"cache:6379,password={REFERENCE}{SECRET}",
    f"cache:6379,PASSWORD = {SECRET}",
    f"redis://:{SECRET}@cache:6379",
    f"redis://user:{SECRET}@cache:6379",
    f"https://{SECRET}@milvus:19530",
    f"https://milvus:19530/?token={SECRET}",
    f"s3://bucket?aws_secret_access_key={SECRET}",
    "s3://bucket?id=AKIA" + "A2B4C6D8E0F2G4H6",
    f"-----BEGIN PRIVATE KEY-----{SECRET}",
)
REFERENCES = (
    REFERENCE,
    "cache:6379",
    f"cache:6379,password={REFERENCE}",
    f"cache:6379,password={REFERENCE},ssl=true",
    f"redis://user:{REFERENCE}@cache:6379",
)
# A preset is one of few words, looked up before anything is read.
TEXTS = [
    name for name, default, _ in settings_table() if isinstance(default, str) and name != "preset"
]
PASSWORDS = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="$,;&{}\\'\" /@:"),
    min_size=8,
)


@pytest.mark.parametrize("name", [*TEXTS, "index.uri", "triton.repository"])
@pytest.mark.parametrize("literal", LITERALS)
def test_no_setting_takes_a_secret_and_no_message_repeats_it(name: str, literal: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' spells out a secret") as refused:
        load_settings(None, (f"{name}='{literal}'",))
    assert SECRET not in str(refused.value)
    assert SECRET not in str(refused.value.__cause__)


@given(PASSWORDS)
def test_whatever_the_password_is_it_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ConfigError, match="spells out a secret") as refused:
        load_settings(None, (f"features.redis='cache:6379,password={password}'",))
    assert password not in str(refused.value)


@pytest.mark.parametrize("given", REFERENCES)
def test_a_reference_is_taken_and_travels_as_it_is(given: str, tmp_path: Path) -> None:
    settings = load_settings(None, (f"features.redis='{given}'", "features.online_store=redis"))
    assert settings.features.redis == given
    written = write_config(tmp_path, settings.features, "0" * 64).read_text()
    assert given in written
    assert json.loads(settings_json(build_features, settings))["store"]["redis"] == given


@pytest.mark.parametrize("literal", LITERALS)
def test_no_door_of_settings_takes_one(literal: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"features:\n  redis: '{literal}'\n")
    tree = {"features": {"redis": literal}}
    step = {"store": tree["features"], "data": {}, "engine": {}}
    for read in (
        lambda: load_settings(file),
        lambda: Environment.read({HOME: str(tmp_path), SETTINGS: json.dumps(tree)}),
        lambda: settings_from_json(build_features, json.dumps(step)),
        lambda: FeatureSettings(redis=literal),
    ):
        with pytest.raises((ConfigError, ValidationError)) as refused:
            read()
        assert SECRET not in str(refused.value)


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers nothing, and what each call to it carried."""
    heard: list[dict[str, str]] = []

    class Listener(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> None:
            heard.append({key: str(value) for key, value in call.invocation_metadata})

    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(Listener(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", heard
    server.stop(None)


@pytest.mark.parametrize("named", [True, False])
def test_a_token_goes_only_where_settings_say(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MILVUS_TOKEN, f"root:{SECRET}")
    with listening() as (uri, heard):
        of_journal = IndexSettings(backend="milvus", uri=uri)
        of_settings = IndexSettings(uri=uri) if named else IndexSettings(ef=100)
        with suppress(VectorIndexError):
            open_index(tmp_path, resolve_index(of_settings, of_journal))
        assert heard
        assert any("authorization" in call for call in heard) == named


def test_a_token_is_not_sent_in_clear_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MILVUS_TOKEN, f"root:{SECRET}")
    with pytest.raises(VectorIndexError, match="in clear") as refused:
        open_index(tmp_path, IndexSettings(uri="http://192.0.2.1:19530"))
    assert SECRET not in str(refused.value)


def test_what_keeps_a_secret() -> None:
    for uri in ("https://milvus:1", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"):
        assert keeps_secrets(uri)
    for uri in ("http://milvus:1", "http://10.0.0.1:1", "http://localhost.example:1"):
        assert not keeps_secrets(uri)


@pytest.mark.slow
def test_a_run_by_kubeflow_leaves_no_secret(piped: Path) -> None:
    assert not holding(piped)
    key = (piped.parent / "release.key").read_text().splitlines()[1]
    assert not holding(piped, key)
    # What was said in its place is in the steps' parameters, so the search looks where it should.
    assert holding(piped, REFERENCE)


@pytest.mark.slow
def test_a_demo_leaves_no_secret(small_demo: tuple[Path, dict[str, Any]]) -> None:
    assert not holding(small_demo[0])


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for at, text in enumerate((SECRET, b64encode(SECRET.encode()).decode())):
        (tmp_path / str(at)).write_text(f"before {text} after")
    assert len(holding(tmp_path)) == 2
