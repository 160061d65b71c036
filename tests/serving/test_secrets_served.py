"""What a service leaves and says holds none of the secrets in its environment."""

from __future__ import annotations

import pytest

from tests.planted import SECRET, holding
from tests.serving.conftest import Service


@pytest.mark.slow
def test_a_service_leaves_and_says_no_secret(service: Service) -> None:
    paths = ("/v1/release", "/metrics", "/openapi.json", "/v1/health")
    told = [service.get(path) for path in paths]
    told += [service.post("/v1/recommend", user_id="u0001"), service.post("/v1/recommend", k="no")]
    assert not [answer.url for answer in told if SECRET in answer.text]
    assert SECRET not in service.log.read_text()
    assert not holding(service.home.folder)
