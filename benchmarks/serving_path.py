"""CPU time of one POST /v1/recommend in one process, beside a plain stack and the bare parts.

All three answer the same users from one release and one feature store, in turn and in one
process, without a network. The **plain stack** is what a platform team writes first: Feast's
`get_online_features`, ONNX Runtime, exact search, behind Starlette in its thread pool; it gives
ids and scores, and no reason. The **floor** is the bare sum of one read of the feature rows, one
ONNX call and one exact top 100: no HTTP, no JSON, no encoding. CPU time is that of the whole
process, its threads too, so a busy machine does not change it much.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import colisten
from benchmarks.pairs import machine, spread_of, write_result
from benchmarks.runs import world_window
from colisten.data import parquet
from colisten.features import names
from colisten.features.lightfeast import EntityKey, Value
from colisten.features.repository import source_file
from colisten.features.store import OnlineFeatures, open_store
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.json_files import parse_json, to_json
from colisten.release.feature_files import features_of
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import Settings, load_settings
from colisten.simulator import WorldSettings, simulate

NAME = "serving_path"
WORLD = WorldSettings(users=3_000, audiobooks=8_000, podcasts=3_000)
# What is measured is answering: a tower of full size, trained for a moment.
SETTINGS = (
    "hgnn.max_steps=20",
    "towers.epochs=2",
    "towers.min_steps=0",
    "evaluation.baselines=false",
    "evaluation.bootstrap=20",
    "index.backend=exact",
    "text.max_chars=40",
    "gate.below_popularity=warn",
    "gate.min_lift_over_random=0",
    # A budget that no pause of this machine uses up.
    "serving.features_budget_ms=5000",
    "serving.search_budget_ms=5000",
)
ROUNDS, ASKED, TOP = 7, 150, 100
"""Rounds that count, requests in each, and how many titles the floor finds."""


# What else the machine did as this one began.
_LOAD = round(os.getloadavg()[0], 1)


@dataclass(frozen=True)
class Place:
    """A published folder and who asks."""

    home: Path
    settings: Settings
    users: Sequence[str]

    @property
    def release(self) -> LoadedRelease:
        """What is live there."""
        store = ReleaseStore(self.home)
        live = store.live()
        assert live is not None
        return LoadedRelease.load(store.folder(live))


def run() -> None:
    """Build a folder, ask all three for a shelf of 10 and of 100, write the result."""
    with tempfile.TemporaryDirectory() as folder:
        write_result(NAME, measured(built(Path(folder))))


def built(folder: Path) -> Place:
    """A release of the simulated world with its feature store."""
    window = world_window(folder / "world", simulate(folder / "world", WORLD))
    settings = load_settings(None, SETTINGS)
    home = folder / "home"
    colisten.run(window.data, window.cut, home, settings, window_days=window.days)
    return placed(home)


def placed(home: Path) -> Place:
    """A folder that `built` made before, and users of whom its feature store knows something."""
    settings = load_settings(None, SETTINGS)
    release = Place(home, settings, ()).release
    folder = features_of(home, release.manifest)
    store = open_store(folder)
    source = source_file(store, store.get_feature_view(names.USER_PROFILE))
    everyone = parquet.read(source).column("user_id").to_pylist()
    online = OnlineFeatures(folder, release.index_of, release.spec.fields)
    batch = online.read(everyone)
    busy = sum(history.counts for history in batch.histories.values()) >= 10
    return Place(home, settings, [str(user) for user in batch.user_ids[busy]])


def measured(place: Place) -> dict[str, Any]:
    """Milliseconds of CPU a request by who answers, and by stage."""
    loop = asyncio.new_event_loop()
    runtime = Runtime.open(Environment(place.home, place.settings))
    ours = build_app()
    ours.state.runtime = runtime
    plain, floor = plain_stack(place), bare_parts(place)
    ways: dict[str, Callable[[str], Any]] = {
        "ours": lambda user: loop.run_until_complete(_post(ours, user_id=user, k=10)),
        "ours, 100 titles": lambda user: loop.run_until_complete(_post(ours, user_id=user, k=TOP)),
        "plain stack": lambda user: loop.run_until_complete(_post(plain, user_id=user, k=10)),
        "plain stack, 100 titles": lambda user: loop.run_until_complete(
            _post(plain, user_id=user, k=TOP)
        ),
        "floor": lambda user: [part(user) for part in floor.values()],
    }
    ways |= {f"floor: {name}": part for name, part in floor.items()}
    ways |= stages(place, runtime)
    try:
        for user in place.users[:20]:
            answer = parse_json(ways["ours"](user))
            how = answer["how"]
            assert (how["vector"], how["search"], how["fallbacks"]) == ("two_tower", "exact", [])
        spent = in_turn(ways, place.users)
    finally:
        runtime.close()
        loop.close()
    median = {name: figures["median"] for name, figures in spent.items()}
    release = place.release
    result = {
        "benchmark": NAME,
        **machine(),
        "load_before": _LOAD,
        "facts": {
            "titles": len(release.item_vectors),
            "vector_length": release.item_vectors.shape[1],
            "tower_inputs": release.spec.width,
            "users": len(place.users),
            "requests_a_round": ASKED,
            "rounds": ROUNDS,
        },
        "cpu_ms_a_request": spent,
        "times_cheaper_than_plain_stack": round(median["plain stack"] / median["ours"], 2),
        "times_the_floor": round(median["ours"] / median["floor"], 2),
    }
    for name, value in median.items():
        print(f"{name}: {value:.3f} ms")
    return result


SHOWN = {
    "ours": "ours, 10 titles",
    "ours, 100 titles": "ours, 100 titles",
    "plain stack": "plain stack, 10 titles",
    "plain stack, 100 titles": "plain stack, 100 titles",
    "floor": "bare parts: one feature read, one tower, one exact top 100",
}
"""What the page shows of a result, and its words."""


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    facts, spent = result["facts"], result["cpu_ms_a_request"]
    lines = ["| CPU ms a request | median | least | most |", "|---|---|---|---|"]
    lines += [
        f"| {words} | {of['median']:.2f} | {of['min']:.2f} | {of['max']:.2f} |"
        for name, words in SHOWN.items()
        for of in [spent[name]]
    ]
    told = (
        f"{facts['titles']:,} titles, vectors {facts['vector_length']} long, users with ten events "
        f"or more; medians of {facts['rounds']} rounds of {facts['requests_a_round']} requests, in "
        f"turn. Ours is {result['times_cheaper_than_plain_stack']:.1f} times as cheap as the plain "
        f"stack and {result['times_the_floor']:.1f} times the bare parts. Measured on "
        f"{result['date']} with {result['machine']['cores']} cores, {result['load_before']} "
        "processes of others at work."
    )
    return "\n".join([*lines, "", told])


def in_turn(
    ways: dict[str, Callable[[str], Any]], users: Sequence[str]
) -> dict[str, dict[str, float]]:
    """CPU milliseconds a call of each way, spread over the rounds; each warmed up once."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        at = number * ASKED
        asked = [users[(at + one) % len(users)] for one in range(ASKED)]
        for name, way in ways.items():
            start = time.process_time()
            for user in asked:
                way(user)
            spent[name].append((time.process_time() - start) / ASKED * 1000)
    return {name: spread_of(values[1:]) for name, values in spent.items()}


def stages(place: Place, runtime: Runtime) -> dict[str, Callable[[str], Any]]:
    """Parts of our answer by themselves; what they leave of the whole is HTTP, threads and JSON."""
    active = runtime._active()
    release = active.release
    known = {user: active.features.read(user) for user in place.users}
    encoded = {
        user: encode_users(release.spec, batch, release.history_vectors)
        for user, batch in known.items()
    }
    vectors = {user: release.user_vectors(batch) for user, batch in known.items()}
    bodies = {user: to_json({"user_id": user, "k": 10}) for user in place.users}
    return {
        "stage: body": lambda user: RecommendRequest.model_validate_json(bodies[user]),
        "stage: features": active.features.read,
        "stage: encoding": lambda user: encode_users(
            release.spec, known[user], release.history_vectors
        ),
        "stage: tower": lambda user: release.tower.from_features(encoded[user]),
        "stage: exact search": lambda user: release.exact(vectors[user], 10),
        "stage: all in one thread": lambda user: runtime.recommend(
            RecommendRequest(user_id=user, k=10)
        ),
    }


def bare_parts(place: Place) -> dict[str, Callable[[str], Any]]:
    """The floor: feature rows, one run of the tower, one product and a partial sort."""
    release, store = place.release, open_store(features_of(place.home, place.release.manifest))
    service = store.get_feature_service(names.SERVING)
    views = [store.get_feature_view(each.name) for each in service.feature_view_projections]
    wanted = set(release.spec.fields.schema.names)
    asked = [
        (view, [field.name for field in view.features if field.name in wanted]) for view in views
    ]
    session = onnx_session(release.folder)
    inputs = np.zeros((1, release.spec.width), np.float32)
    vectors = np.array(release.item_vectors)
    query = vectors[0]

    def features(user: str) -> object:
        key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user)])
        return [store.provider.online_read(store.config, view, [key], own) for view, own in asked]

    def search(_: str) -> object:
        scores = vectors @ query
        best = np.argpartition(scores, -TOP)[-TOP:]
        return best[np.argsort(-scores[best])]

    return {
        "features": features,
        "tower": lambda _: session.run(["vectors"], {"features": inputs}),
        "top 100": search,
    }


def plain_stack(place: Place) -> Starlette:
    """What a platform team writes first over the same release and feature store."""
    release, store = place.release, open_store(features_of(place.home, place.release.manifest))
    session, vectors = onnx_session(release.folder), np.array(release.item_vectors)
    service = store.get_feature_service(names.SERVING)
    history, schema = np.array(release.history_vectors), release.spec.fields.schema
    ids = release.item_ids[release.target]

    def answer(user: str, k: int) -> dict[str, Any]:
        told = store.get_online_features(service, [{"user_id": user}]).to_arrow()
        told = told.select(schema.names).cast(schema)
        batch = UserBatch.from_table(told, release.index_of, release.spec.fields)
        features = encode_users(release.spec, batch, history)
        (found,) = session.run(["vectors"], {"features": features})
        scores = vectors @ found[0]
        best = np.argpartition(scores, -k)[-k:]
        best = best[np.argsort(-scores[best])]
        items = zip(ids[best].tolist(), scores[best].tolist(), strict=True)
        return {"user_id": user, "items": [{"item_id": i, "score": s} for i, s in items]}

    async def recommend(request: Request) -> JSONResponse:
        body = parse_json(await request.body())
        return JSONResponse(await run_in_threadpool(answer, body["user_id"], body["k"]))

    return Starlette(routes=[Route("/v1/recommend", recommend, methods=["POST"])])


def onnx_session(folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / "user_tower.onnx", options)


async def _post(app: Callable[..., Awaitable[None]], **body: Any) -> bytes:
    """One POST /v1/recommend, by the application's own interface."""
    sent: list[dict[str, Any]] = []
    text = to_json(body).encode()
    messages: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": text}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": headers}
    await app(scope | {"query_string": b"", "app": app}, receive, send)
    assert sent[0]["status"] == 200, sent
    return b"".join(each.get("body", b"") for each in sent[1:])
