"""Redis, Triton and Milvus beside the service, as the overlay `local-stores` renders them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from tests.conftest import ServedHome
from tests.images.engine import USER, Engine
from tests.images.node import PARTS, Node, played_node
from tests.images.test_pods import SHOWN, until

pytestmark = pytest.mark.slow

STORES = tuple(part for part in PARTS if part != "serving")
# Each line a fact, whatever else the shell says.
LOOK = """
echo user: $(id -u) $(id -g)
touch /x 2>/dev/null || echo root: kept
touch /usr/bin/x 2>/dev/null || echo programs: kept
sed -n 's/^\\(CapEff\\|NoNewPrivs\\|Seccomp\\):\\s*/\\1: /p' /proc/1/status
"""
ALL_THREE = {"vector": "two_tower", "search": "milvus", "fallbacks": [], "unknown": []}
HELD = {
    "user": f"{USER} {USER}",
    "root": "kept",
    "programs": "kept",
    "CapEff": "0" * 16,
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


@dataclass(frozen=True)
class Seen:
    """A node that was filled, and what its service said before."""

    node: Node
    unfilled: dict[str, Any]


@pytest.fixture(scope="module")
def seen(
    stores: Engine, served_home: ServedHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    with played_node(stores, served_home.folder, tmp_path_factory.mktemp("node")) as node:
        for part in STORES:
            until(partial(node.well, part), f"{part} does not come up")
        node.start("serving")
        until(lambda: parts(node)["index"]["reason"] != "index_unchecked", "nobody looks")
        unfilled = {"ready": node.service.ready(), "parts": parts(node)}
        print(node.filled())
        # It reads where features are as it takes a release up.
        node.stop("serving")
        node.start("serving")
        yield Seen(node, unfilled)


def parts(node: Node) -> Any:
    """How the service says that its parts are; all of it unchecked while it does not listen."""
    try:
        url = f"{node.service.operators}/v1/release"
        return httpx.get(url, headers=SHOWN, timeout=30).json()["parts"]
    except httpx.TransportError:
        return {"index": {"reason": "index_unchecked"}}


def shelf(node: Node, user: str) -> Any:
    """How a user's shelf was made."""
    body = {"user_id": user, "k": 3}
    url = f"{node.service.url}/v1/recommend"
    return httpx.post(url, json=body, headers=SHOWN, timeout=30).json()["how"]


def reads(node: Node) -> int:
    """How often Redis was asked for a row."""
    said = node.inside(
        "redis", "redis-cli", "-e", "-p", str(node.ports[6379]), "info", "commandstats"
    )
    lines = dict(line.split(":", 1) for line in said.stdout.splitlines() if ":" in line)
    found = lines.get("cmdstat_hmget", "calls=0")
    return int(found.partition("calls=")[2].partition(",")[0])


def vectors(node: Node) -> float:
    """How many users' vectors Triton has computed."""
    text = httpx.get(f"{node.service.operators}/metrics", headers=SHOWN, timeout=30).text
    counted = [line for line in text.splitlines() if line.startswith("colisten_vectors_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counted if 'place="triton"' in line)


def test_a_service_whose_index_is_empty_is_not_ready_and_says_so(seen: Seen) -> None:
    assert not seen.unfilled["ready"]
    index = seen.unfilled["parts"]["index"]
    assert not index["ok"]
    assert index["reason"] in ("index_error", "index_incomplete")
    assert index["why"]


def test_once_ready_it_answers_by_redis_triton_and_milvus(seen: Seen) -> None:
    node = seen.node
    until(node.service.ready, "it is not ready")
    # A model is loaded beside the first answers, and budgets are short on a machine that is shared.
    until(lambda: shelf(node, "u0001") == ALL_THREE, f"never {ALL_THREE}")
    asked, computed = reads(node), vectors(node)
    until(lambda: shelf(node, "u0002") == ALL_THREE, f"not again {ALL_THREE}")
    assert reads(node) > asked
    assert vectors(node) > computed
    ill = {name: one for name, one in parts(node).items() if not one["ok"]}
    assert ill == {}


@pytest.mark.parametrize("part", PARTS)
def test_every_pod_is_held_as_its_manifest_says(seen: Seen, part: str) -> None:
    done = seen.node.inside(part, "sh", "-c", LOOK)
    assert done.returncode == 0, done.stderr
    assert dict(line.split(": ", 1) for line in done.stdout.splitlines()) == HELD


def test_without_redis_it_says_so_and_with_its_rows_all_is_as_before(seen: Seen) -> None:
    node = seen.node
    until(node.service.ready, "it is not ready")
    node.stop("redis")
    how = shelf(node, "u0002")
    assert how["vector"] in ("popular", "popular_country")
    assert {one.partition("_")[0] for one in how["fallbacks"]} == {"features"}
    until(lambda: not parts(node)["features"]["ok"], "nobody looks at the features")
    # What is lost later costs quality, and no answer (docs/serving.md, "Ready").
    assert node.service.ready()
    node.start("redis")
    until(lambda: node.well("redis"), "Redis does not come back")
    until(lambda: shelf(node, "u0003") == ALL_THREE, "it does not take Redis up again")
    until(lambda: parts(node)["features"]["ok"], "it goes on saying that features are lost")


def test_nothing_listens_for_others_without_the_password(seen: Seen) -> None:
    node = seen.node
    until(lambda: node.well("redis"), "Redis is away")
    words = ("env", "-u", "REDISCLI_AUTH", "redis-cli", "-e", "-p", str(node.ports[6379]), "ping")
    refused = node.inside("redis", *words)
    assert refused.returncode != 0
    assert "NOAUTH" in refused.stdout + refused.stderr
