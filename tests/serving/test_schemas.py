"""Every bad body is refused with 400 and the name of the field at fault, before any work."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from colisten.data.ids import MAX_ID_BYTES, id_fault
from colisten.serving.endpoints import ENDPOINTS, Endpoint
from colisten.serving.problems import MAX_ERRORS, Fault, Problem, body_fault
from colisten.serving.requests import (
    FORMS,
    MAX_BODY_BYTES,
    MAX_FIELDS,
    EventRequest,
    RecommendRequest,
    Request,
    SimilarRequest,
)

EVENT = {
    "user_id": "u1",
    "item_id": "a1",
    "item_type": "audiobook",
    "signal": "stream",
    "timestamp": "2025-06-01T12:00:00Z",
}
LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()

# (model, body, field that the answer must name)
BAD_BODIES: list[tuple[type[Request], bytes, str]] = [
    (RecommendRequest, b"", "body"),
    (RecommendRequest, b"not json", "body"),
    (RecommendRequest, b"{", "body"),
    (RecommendRequest, b'\xff\xfe{"user_id": "u"}', "body"),
    (RecommendRequest, b"[]", "body"),
    (RecommendRequest, b"null", "body"),
    (RecommendRequest, b'"u1"', "body"),
    (RecommendRequest, b"[" * 100_000, "body"),
    (RecommendRequest, b"{}", "user_id"),
    (RecommendRequest, b'{"user_id": null}', "user_id"),
    (RecommendRequest, b'{"user_id": 7}', "user_id"),
    (RecommendRequest, b'{"user_id": ""}', "user_id"),
    (RecommendRequest, b'{"user_id": ["u1"]}', "user_id"),
    (RecommendRequest, b'{"user_id": " \\n"}', "user_id"),
    (RecommendRequest, json.dumps({"user_id": "u" * (MAX_ID_BYTES + 1)}).encode(), "user_id"),
    (RecommendRequest, json.dumps({"user_id": "\U0001f600" * 16_384}).encode(), "user_id"),
    (RecommendRequest, b'{"user_id": "\\ud800"}', "body"),
    (RecommendRequest, b'{"user_id": "u", "k": 0}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": -1}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": 501}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": 1e400}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": NaN}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": "10"}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": 2.5}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": true}', "k"),
    (RecommendRequest, b'{"user_id": "u", "k": null}', "k"),
    (RecommendRequest, b'{"user_id": "u", "language": 4}', "language"),
    (RecommendRequest, b'{"user_id": "u", "language": ""}', "language"),
    (RecommendRequest, json.dumps({"user_id": "u", "language": "x" * 65}).encode(), "language"),
    (RecommendRequest, b'{"user_id": "u", "exclude": "a1"}', "exclude"),
    (RecommendRequest, b'{"user_id": "u", "exclude": null}', "exclude"),
    (RecommendRequest, b'{"user_id": "u", "exclude": ["a1", 2]}', "exclude.1"),
    (RecommendRequest, b'{"user_id": "u", "exclude": ["a1", ""]}', "exclude.1"),
    (RecommendRequest, json.dumps({"user_id": "u", "exclude": ["a"] * 1001}).encode(), "exclude"),
    (RecommendRequest, b'{"user_id": "u", "country": {}}', "country"),
    *[
        (RecommendRequest, json.dumps({"user_id": "u", "filter": asked}).encode(), f"filter{field}")
        for asked, field in (
            ([], ""),
            ({"where": {}}, ".where"),
            ({"include": {"genres": "crime"}}, ".include.genres"),
            ({"include": {"genres": []}}, ".include.genres"),
            ({"include": {"genres": ["crime", None]}}, ".include.genres.1"),
            ({"include": {"genres": [True]}}, ".include.genres.0"),
            ({"exclude": {"genres": ["x"] * 1001}}, ".exclude.genres"),
            ({"exclude": {f"c{at}": ["x"] for at in range(33)}}, ".exclude"),
            ({"ranges": {"minutes": [1, 2]}}, ".ranges.minutes"),
            ({"ranges": {"minutes": {"from": 1}}}, ".ranges.minutes.from"),
        )
    ],
    (RecommendRequest, b'{"user_id": "u", "top": 5}', "top"),
    (RecommendRequest, b'{"req": {"user_id": "u"}}', "req"),
    (SimilarRequest, b"{}", "item_id"),
    (SimilarRequest, b'{"item_id": 3}', "item_id"),
    (SimilarRequest, b'{"item_id": "a", "k": 1000}', "k"),
    (SimilarRequest, b'{"item_id": "a", "user_id": "u"}', "user_id"),
    (EventRequest, b"{}", "timestamp"),
    (EventRequest, json.dumps(EVENT | {"timestamp": 1_700_000_000}).encode(), "timestamp"),
    (EventRequest, json.dumps(EVENT | {"timestamp": "yesterday"}).encode(), "timestamp"),
    (EventRequest, json.dumps(EVENT | {"timestamp": "2025-06-01T12:00:00"}).encode(), "timestamp"),
    (EventRequest, json.dumps(EVENT | {"timestamp": "1700000000"}).encode(), "timestamp"),
    (EventRequest, json.dumps(EVENT | {"timestamp": LATER}).encode(), "timestamp"),
    *[
        (EventRequest, json.dumps(EVENT | {"timestamp": moment}).encode(), "timestamp")
        for moment in (
            "1969-12-31T23:59:59Z",
            "1989-12-31T23:59:59.999999Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:00-14:00",
            "2025-06-01T12:00:00+99:00",
            "2025-06-01T12:00:00Z\n",
            "9" * 5_000,
        )
    ],
    (EventRequest, json.dumps(EVENT | {"weight": 2}).encode(), "weight"),
]

# What the schema lets through and the live release does not.
UNKNOWN_WORDS: list[tuple[type[Request], bytes, str]] = [
    (EventRequest, json.dumps(EVENT | {"signal": "like"}).encode(), "signal"),
    (EventRequest, json.dumps(EVENT | {"item_type": "song"}).encode(), "item_type"),
    (
        RecommendRequest,
        b'{"user_id": "u", "filter": {"include": {"genres": ["crime"]}}}',
        "filter.include.genres",
    ),
]


@pytest.mark.parametrize(("model", "body", "field"), BAD_BODIES)
def test_a_bad_body_is_refused_by_the_name_of_its_field(
    model: type[Request], body: bytes, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body)
    fault = body_fault(caught.value)
    assert fault.code == "bad_body"
    assert field in [one.field for one in fault.fields]
    assert field in fault.detail
    fault.model_dump_json()


def test_a_fault_is_no_longer_than_it_need_be() -> None:
    names = (f"{chr(number % 30)}{number}" * 500 for number in range(MAX_FIELDS))
    body = json.dumps(dict.fromkeys(names, 1)).encode()
    with pytest.raises(ValidationError) as caught:
        RecommendRequest.model_validate_json(body)
    fault = body_fault(caught.value)
    assert len(fault.fields) == MAX_ERRORS
    assert len(Problem.of(400, fault).model_dump_json()) < 10_000


def fields(count: int) -> bytes:
    return b"{" + b",".join(b'"%d":0' % at for at in range(count)) + b"}"


def many(entry: bytes, count: int) -> bytes:
    return b"[" + b",".join([entry] * count) + b"]"


# Each within the length that a body may have; entries of a batch are answered one by one.
HEAVY = {
    "fields of 505 KiB": (fields(58_000), 1),
    "fields": (fields(100_000), 1),
    "one field": (b"{" + b",".join([b'"":0'] * 200_000) + b"}", 1),
    "history": (b'{"history":' + many(fields(64), 100) + b"}", 1),
    "history of thousands": (b'{"history":' + many(b"0", 200_000) + b"}", 1),
    "exclude": (b'{"exclude":' + many(b"0", 300_000) + b"}", 1),
    "columns": (b'{"features":{"further":' + fields(100_000) + b"}}", 1),
    "control characters": (fields(64).replace(b"5", b"\\u0000" * 400), 1),
    "shelves": (
        b'{"requests":' + many(b'{"history":' + many(fields(20), 99) + b"}", 64) + b"}",
        64,
    ),
    "events": (b'{"events":' + many(fields(64), 500) + b"}", 500),
    "thousands of events": (b'{"events":' + many(b"0", 200_000) + b"}", 1),
}


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize(
    "endpoint", [one for one in ENDPOINTS if one.request], ids=lambda e: e.name
)
def test_a_heavy_body_of_faults_holds_nobody_up(endpoint: Endpoint, name: str) -> None:
    body, entries = HEAVY[name]
    assert len(body) <= MAX_BODY_BYTES
    read, took = [], []
    for _ in range(5):
        begun = time.thread_time()
        json.loads(body)
        read.append(time.thread_time() - begun)
        begun = time.thread_time()
        faults: list[Fault] = []
        try:
            entry = endpoint.request.model_validate_json(body)  # type: ignore[union-attr]
            one: Any = getattr(entry, "root", entry)
            faults = [fault for fault in one.entries if isinstance(fault, Fault)]
        except ValidationError as error:
            faults = [body_fault(error, FORMS)]
        answer = sum(len(Problem.of(400, one).model_dump_json()) for one in faults)
        took.append(time.thread_time() - begun)
    assert faults
    assert answer < max(10_000, 700 * entries)
    # The like of the fault that this bounds took thirty times as long as reading the body does.
    assert min(took) < 8 * min(read)


def test_what_is_left_out_has_a_default() -> None:
    request = RecommendRequest.model_validate_json(b'{"user_id": "u"}')
    assert (request.k, request.language, request.exclude, request.country) == (10, None, [], None)


def test_a_moment_becomes_utc() -> None:
    body = json.dumps(EVENT | {"timestamp": "2025-06-01T14:00:00+02:00"})
    assert EventRequest.model_validate_json(body).timestamp == datetime(2025, 6, 1, 12, tzinfo=UTC)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["user_id", "k", "language", "exclude", "country", "x"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_any_json_is_either_a_good_request_or_a_named_fault(value: Any) -> None:
    try:
        request = RecommendRequest.model_validate_json(json.dumps(value))
    except ValidationError as error:
        fault = body_fault(error)
        assert fault.fields
        assert fault.detail
        fault.model_dump_json()
    else:
        assert 1 <= request.k <= 500
        assert request.user_id is None or id_fault(request.user_id) is None
