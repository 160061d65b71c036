"""What is measured beside the service over HTTP, by the same server with as many workers.

`stack`: what a platform team writes first with what the field uses: FastAPI, Feast's
`get_online_features`, ONNX Runtime, exact search by numpy or an index through pymilvus. It gives
ids and scores; what a user had, reasons, filters, fallbacks and deadlines are not in it.
`floor`: one read of the feature rows, one ONNX call, one exact top 100, and nothing else: what no
service of this machine goes below over this server.

    PLACE=... KIND=stack uvicorn benchmarks.rival_services:app --factory
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel
from pymilvus import MilvusClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.serving_path import Place, bare_parts, onnx_session
from colisten.features import names
from colisten.features.store import open_store
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.json_files import parse_json
from colisten.release.feature_files import features_of
from colisten.settings.tree import Settings

HOME, KIND, INDEX, EF = "RIVAL_HOME", "RIVAL_KIND", "RIVAL_INDEX", "RIVAL_EF"
KINDS = ("stack", "floor")
Search = Callable[[np.ndarray, int], list[tuple[str, float]]]


class Asked(BaseModel):
    """The body."""

    user_id: str
    k: int = 10


class Item(BaseModel):
    """One title."""

    item_id: str
    score: float


class Shelf(BaseModel):
    """The answer."""

    user_id: str
    items: list[Item]


def app() -> FastAPI | Starlette:
    """The application that the environment asks for."""
    place = Place(Path(os.environ[HOME]), Settings(), ())
    made = stack(place, os.environ.get(INDEX)) if os.environ[KIND] == "stack" else floor(place)
    gc.collect()
    gc.freeze()
    return made


def stack(place: Place, index: str | None) -> FastAPI:
    """The straightforward stack; `index` is the address of a Milvus server, None for numpy."""
    release, store = place.release, open_store(features_of(place.home, place.release.manifest))
    session, service = onnx_session(release.folder), store.get_feature_service(names.SERVING)
    history, schema = np.array(release.history_vectors), release.spec.fields.schema
    search = _by_numpy(place) if index is None else _by_milvus(place, index)
    made = FastAPI()

    @made.post("/v1/recommend")
    def recommend(asked: Asked) -> Shelf:
        told = store.get_online_features(service, [{"user_id": asked.user_id}]).to_arrow()
        told = told.select(schema.names).cast(schema)
        batch = UserBatch.from_table(told, release.index_of, release.spec.fields)
        features = encode_users(release.spec, batch, history)
        (found,) = session.run(["vectors"], {"features": features})
        items = [Item(item_id=one, score=score) for one, score in search(found[0], asked.k)]
        return Shelf(user_id=asked.user_id, items=items)

    return made


def floor(place: Place) -> Starlette:
    """The bare parts, in the server's own thread; the answer is the ten best places."""
    parts = bare_parts(place)

    async def recommend(request: Request) -> Response:
        user = parse_json(await request.body())["user_id"]
        parts["features"](user)
        parts["tower"](user)
        best: Any = parts["top 100"](user)
        return Response(b'{"items": ' + str(best[:10].tolist()).encode() + b"}")

    return Starlette(routes=[Route("/v1/recommend", recommend, methods=["POST"])])


def _by_numpy(place: Place) -> Search:
    release = place.release
    vectors, ids = np.array(release.item_vectors), release.item_ids[release.target]

    def search(user: np.ndarray, k: int) -> list[tuple[str, float]]:
        scores = vectors @ user
        best = np.argpartition(scores, -k)[-k:]
        best = best[np.argsort(-scores[best])]
        return list(zip(ids[best].tolist(), scores[best].tolist(), strict=True))

    return search


def _by_milvus(place: Place, address: str) -> Search:
    client, collection = MilvusClient(address), place.release.manifest.collection
    params = {"metric_type": "IP", "params": {"ef": int(os.environ[EF])}}

    def search(user: np.ndarray, k: int) -> list[tuple[str, float]]:
        (hits,) = client.search(
            collection, [user.tolist()], limit=k, search_params=params, output_fields=["item_id"]
        )
        return [(str(hit["item_id"]), float(hit["distance"])) for hit in hits]

    return search
