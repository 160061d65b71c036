"""What the service counts, for Prometheus at /metrics.

BentoML runs prometheus_client in its multi-process mode: each worker writes to files of its own
and a scrape adds them up, so a gauge says how workers combine.
"""

from __future__ import annotations

from colisten.extras import needs

needs("prometheus_client")

from prometheus_client import Counter, Gauge, Histogram

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
EVENTS = Counter("colisten_events", "Pushed events by outcome.", ("outcome",))
SHELVES = Counter("colisten_shelves", "Shelves by the arm that was shown.", ("arm",))
LOGGED = Counter(
    "colisten_logged",
    "Answers and events that were taken for the log of the experiment, written to it, and lost.",
    ("table", "outcome"),
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
PARTS = Gauge(
    "colisten_parts_well",
    "Workers in which a part (release, files, features, index, ...) is as it should be.",
    ("part",),
    multiprocess_mode="livesum",
)
