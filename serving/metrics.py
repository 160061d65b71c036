"""What the service counts, for Prometheus at /metrics.

BentoML has prometheus_client in its multi-process mode: each worker writes to files of its own
and a scrape adds them up, so a gauge says how workers combine.
"""

from __future__ import annotations

from colisten.extras import needs

needs("prometheus_client")

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from colisten.child import lives

EXPOSITION_TYPE = CONTENT_TYPE_LATEST

REQUESTS = Counter(
    "colisten_requests",
    "Answered requests by endpoint, HTTP status, and the stages that made the answer.",
    ("endpoint", "status", "vector", "search"),
)
SECONDS = Histogram(
    "colisten_request_seconds",
    "Time from the whole body read to the answer written, in seconds.",
    ("endpoint",),
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)
FALLBACKS = Counter(
    "colisten_fallbacks", "Stages of the fallback chain that were left, by reason.", ("reason",)
)
CONNECTIONS_REFUSED = Counter(
    "colisten_connections_refused", "Connections over `serving.max_connections` of a worker."
)
TURNED_AWAY = Counter(
    "colisten_turned_away", "Requests that were not let in, by the code of why.", ("code",)
)
VECTORS = Counter(
    "colisten_vectors",
    "Users' vectors by where they were computed, where `serving.tower` is triton.",
    ("place",),
)
EVENTS = Counter("colisten_events", "Pushed events by outcome.", ("outcome",))
SHELVES = Counter(
    "colisten_shelves",
    "Shelves by the arm that was shown, the release, and the stages that made them.",
    ("arm", "release_id", "vector", "search"),
)
STAGE_SECONDS = Histogram(
    "colisten_stage_seconds",
    "Time of each stage of an answer, in seconds.",
    ("stage",),
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
LOGGED = Counter(
    "colisten_logged",
    "Answers and events that were taken for the log of the experiment, written to it, and lost.",
    ("table", "outcome"),
)
QUALITY = Counter(
    "colisten_shelf_quality",
    "Shelves by what they are worth to who asked, as `colisten.serving.quality` says it.",
    ("quality",),
)
IN_PROGRESS = Gauge(
    "colisten_requests_in_progress",
    "Requests that are worked on or wait, by the queue that they are in.",
    ("lane",),
    multiprocess_mode="livesum",
)
WORKERS = Gauge(
    "colisten_workers", "Workers that have opened a release.", multiprocess_mode="livesum"
)
WORKERS_MEANT = Gauge(
    "colisten_workers_meant", "Workers that there should be.", multiprocess_mode="livemax"
)
RELEASE = Gauge(
    "colisten_release_workers",
    "Workers that answer from a release; 0 once none does.",
    ("release_id",),
    multiprocess_mode="livesum",
)
RELEASE_CHANGES = Counter(
    "colisten_release_changes", "Releases taken up or refused by a worker.", ("outcome",)
)
STORE_LOOKS = Counter(
    "colisten_store_looks", "Looks of a worker at the store that it follows.", ("outcome",)
)
PARTS = Gauge(
    "colisten_parts_well",
    "Workers in which a part (release, files, features, index, ...) is as it should be.",
    ("part",),
    multiprocess_mode="livesum",
)

# Moments are those of the worker that is furthest behind. A gauge without a label is 0 in every
# process that reads this, whoever only starts workers too: as a moment that would be 1970.
RELEASE_MOMENT = Gauge(
    "colisten_release_timestamp_seconds",
    "Moments of the release that is served, seconds since 1970: `made`, its `cut`, and through "
    "which its `features` go.",
    ("of",),
    multiprocess_mode="livemin",
)
# What a worker stored stays stored when it has ended.
EVENT_MOMENT = Gauge(
    "colisten_event_timestamp_seconds",
    "When the newest event that was accepted happened, seconds since 1970; 0 before the first.",
    multiprocess_mode="max",
)
# Added up: whichever worker's index has lost items, the sums differ.
INDEX_ITEMS = Gauge(
    "colisten_index_items",
    "Items of the collection as workers last counted them, and of its manifest, added up.",
    ("of",),
    multiprocess_mode="livesum",
)
DRIFT_COLUMNS = Gauge(
    "colisten_drift_columns",
    "Columns of the last drift report: `compared`, `drifted`; 0 where there is none.",
    ("outcome",),
    multiprocess_mode="livemax",
)
DRIFT_CAUSES = Gauge(
    "colisten_drift_causes",
    "Causes that the last drift report names for what moved; 0 where nothing did, or none is.",
    multiprocess_mode="livemax",
)
DRIFT_MOMENT = Gauge(
    "colisten_drift_timestamp_seconds",
    "End of the window that the last drift report is of, seconds since 1970; 0 where none says, "
    "1 where it cannot be read.",
    multiprocess_mode="livemax",
)


def exposition() -> bytes:
    """What all workers of this service have counted, as Prometheus text."""
    folder = shared_folder()
    if folder is None:
        return generate_latest(REGISTRY)
    # Gauges of a worker that was killed would be added up for ever.
    for process in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        if not lives(process):
            mark_process_dead(process)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def shared_folder() -> Path | None:
    """Where the workers of one service leave what they count; None for a process of its own."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None
