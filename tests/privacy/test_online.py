"""A person leaves Redis as they leave SQLite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.events import Event
from colisten.features.store import OnlineFeatures, open_online
from colisten.privacy.online import OnlineRows
from colisten.settings.sections import FeatureSettings
from tests.conftest import CUT, FIELDS
from tests.privacy.home import PERSON, SIMILAR
from tests.redis_server import redis_server


@pytest.mark.slow
def test_redis_holds_no_key_of_the_person(tiny_history: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path) as address:
        features = FeatureSettings(online_store="redis", redis=address)
        folder = build_feature_repo(tiny_history, tmp_path / "out", as_of=CUT, features=features)
        materialize(folder, as_of=CUT)
        online = OnlineFeatures(folder, lambda ids: np.arange(len(ids)), FIELDS)
        moment = CUT + timedelta(days=1)
        for user in (PERSON, SIMILAR):
            event = Event(user, "a001", "audiobook", "stream", moment, event_id="e1")
            assert online.push(event)
        store = open_online(folder)
        client = store.provider.online_store._get_client(store.config.online_store)

        def keys(user: str) -> list[bytes]:
            return [key for key in client.scan_iter() if user.encode() in key]

        assert (len(keys(PERSON)), len(keys(SIMILAR))) == (1, 2), "the one begins with the other"
        place = OnlineRows(folder)
        assert place.count(PERSON) == place.remove(PERSON) > 0
        assert (len(keys(PERSON)), len(keys(SIMILAR))) == (0, 1)
        assert online.read([PERSON, SIMILAR, "u0001"]).known.tolist() == [False, True, True]
        assert place.remove(PERSON) == 0
