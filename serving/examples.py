"""Examples of each request and answer, for the description at /docs.json.

A test reads each by its model and holds what comes out against it, so none can go stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colisten.serving.problems import Code, Fault, FieldError, Problem

Example = dict[str, Any]

_RELEASE = "r25913c9e6b3309d7"
_INSTANCE = "urn:uuid:6b0d7f6e-53a0-4a55-9a7e-4f5fd4b5b1c2"
_HOW: Example = {"vector": "two_tower", "search": "exact", "fallbacks": [], "unknown": []}
_ITEM: Example = {
    "item_id": "a009",
    "title": "The Long Orbit",
    "rank": 1,
    "score": 0.8518,
    "why": "because you listened to Signals",
    "explanation": None,
}
_SHELF: Example = {
    "request_id": "0b0f3f0e-6f3b-4f5e-9a50-5b8f5d1f2a77",
    "arm": "live",
    "release_id": _RELEASE,
    "user_id": "u0001",
    "how": _HOW,
    "items": [_ITEM],
}
_EVENT: Example = {
    "user_id": "u0001",
    "item_id": "a009",
    "item_type": "audiobook",
    "signal": "stream",
    "timestamp": "2025-07-01T20:15:00Z",
    "event_id": "player-7:184467",
    "recommendation_id": _SHELF["request_id"],
}
_FILTER: Example = {
    "include": {"genres": ["crime", "noir"]},
    "exclude": {"publisher": ["Northwind"]},
    "ranges": {"published_at": {"min": "2024-01-01T00:00:00Z"}, "minutes": {"max": 600}},
}
_WELL: Example = {"ok": True, "reason": None, "why": None, "since": "2025-07-01T06:00:00+00:00"}
_ACCEPTED: Example = {"accepted": True, "new": True, "known_item": True}


def _problem(status: int, code: Code, detail: str, *fields: tuple[str, str]) -> Example:
    told = [FieldError(field=field, message=message) for field, message in fields]
    fault = Fault(code=code, detail=detail, fields=told)
    return Problem.of(status, fault, _INSTANCE).model_dump(mode="json")


_UNFIT = _problem(
    400,
    "bad_body",
    "k: Input should be less than or equal to 500",
    ("k", "Input should be less than or equal to 500"),
)

REQUESTS: Mapping[str, Mapping[str, Example]] = {
    "recommend": {
        "a user": {"user_id": "u0001", "k": 10},
        "filtered": {"user_id": "u0001", "language": "en", "exclude": ["a001"], "surface": "home"},
        "a session of nobody that is known": {
            "history": [{"item_id": "p031", "signal": "stream"}],
            "features": {"country": "SE", "age": 34},
        },
    },
    "recommend_batch": {
        "two users": {"requests": [{"user_id": "u0001"}, {"user_id": "u0002", "k": 501}]}
    },
    "similar": {"an item": {"item_id": "p031", "k": 5}},
    "events": {
        "one": _EVENT,
        "several": {"events": [_EVENT, {**_EVENT, "item_type": "song", "event_id": None}]},
    },
    "user_vector": {"a user": {"user_id": "u0001"}},
}
ANSWERS: Mapping[str, Mapping[str, Example]] = {
    "recommend": {"a shelf": _SHELF},
    "recommend_batch": {
        "two users": {
            "answers": [
                {"status": 200, "shelf": _SHELF, "problem": None},
                {"status": 400, "shelf": None, "problem": _UNFIT},
            ]
        }
    },
    "similar": {
        "items": {
            "release_id": _RELEASE,
            "item_id": "p031",
            "how": {**_HOW, "vector": "item"},
            "items": [{**_ITEM, "why": "similar to Signals"}],
        }
    },
    "events": {
        "one": _ACCEPTED,
        "several": {
            "accepted": 1,
            "refused": 1,
            "events": [
                {"position": 0, "status": 200, "new": True, "known_item": True, "problem": None},
                {
                    "position": 1,
                    "status": 400,
                    "new": None,
                    "known_item": None,
                    "problem": _problem(
                        400,
                        "bad_body",
                        "item_type: The item_type 'song' is unknown.",
                        ("item_type", "The item_type 'song' is unknown."),
                    ),
                },
            ],
        },
    },
    "release": {
        "in use": {
            "release_id": _RELEASE,
            "loaded_at": "2025-07-01T06:00:00+00:00",
            "items": 11000,
            "target_items": 8000,
            "index": "exact",
            "live": _RELEASE,
            "parts": dict.fromkeys(("release", "files", "features", "index"), _WELL),
            "arms": {"live": {"share": 1.0, "shows": "live", "release_id": _RELEASE}},
            "log": {"exposures": {"taken": 12, "written": 12, "lost": 0, "waiting": 0}},
        }
    },
    "health": {"ready": {"ready": True, "release_id": _RELEASE}},
    "user_vector": {
        "a vector": {
            "release_id": _RELEASE,
            "user_id": "u0001",
            "known": True,
            "vector": [0.6, -0.8],
        }
    },
}
PROBLEMS: Mapping[int, Example] = {
    400: _UNFIT,
    404: _problem(
        404,
        "unknown_item",
        f"Release {_RELEASE} has no item 'a'.",
        ("item_id", f"Release {_RELEASE} has no item 'a'."),
    ),
    408: _problem(408, "slow_body", "The body was not whole within 5 seconds."),
    409: _problem(
        409,
        "unknown_release",
        f"Release r0000000000000000 was never live here; {_RELEASE} is served.",
    ),
    413: _problem(413, "too_large", "The body is longer than 1048576 bytes."),
    415: _problem(415, "not_json", "Send the body as Content-Type: application/json."),
    429: _problem(429, "busy", "More is asked than can be answered in time."),
    503: _problem(503, "not_ready", "No release is live; promote one and try again."),
    504: _problem(504, "too_late", "The deadline is over, or nearer than the answer."),
}
