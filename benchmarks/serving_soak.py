"""Start and memory of the workers with a large catalogue, and whether memory grows under load.

A start is counted from the command to the first personal answer, files in the page cache. Memory
is what each worker holds of its own (USS) and that with its part of what it shares (PSS). Growth
is the slope of a line through the second half of the samples, in requests and not in time; what it
would come to after `WANTED` requests is said beside how many were really made.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import Future
from typing import Any

import numpy as np

from benchmarks.http_client import Client, client
from benchmarks.http_load import Answers, Closed, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.serving_homes import homes, large, trained
from benchmarks.serving_path import Place
from benchmarks.serving_process import RECOMMEND, Process, colisten

NAME = "serving_soak"
WORKERS, CONNECTIONS, WANTED = 2, 8, 200_000
SECONDS = {"8k": 120.0, "250k": 120.0}
SAMPLE_SECONDS = 3.0
STARTS = 2
PERSONAL = '"two_tower"'
_LOAD = round(os.getloadavg()[0], 1)


def run() -> None:
    """Both sizes, in turn."""
    with homes() as folder, client() as asking:
        small = trained(folder)
        places = {"8k": small, "250k": large(small, folder)}
        rows = {size: measured(places[size], asking, SECONDS[size]) for size in SECONDS}
    result = {"benchmark": NAME, **machine(), "load_before": _LOAD, "rows": rows}
    write_result(NAME, result)
    print(markdown(result))


def measured(place: Place, asking: Client, seconds: float) -> dict[str, Any]:
    """Starts, then a soak by the last of them."""
    starts = []
    for number in range(STARTS):
        settings = ("index.backend=exact", "serving.deadline_ms=5000")
        with colisten(place.home, settings, workers=WORKERS, ready=False) as process:
            starts.append(_first_answer(process, place))
            if number == STARTS - 1:
                process.wait_for_workers(WORKERS)
                soaked = soak(process, place, asking, seconds)
    release = place.release
    return {
        "titles": len(release.item_vectors),
        "vector_length": int(release.item_vectors.shape[1]),
        "vectors_mb": round(release.item_vectors.nbytes / 2**20),
        "seconds_to_first_answer": [round(each, 1) for each in starts],
        **soaked,
    }


def _first_answer(process: Process, place: Place) -> float:
    body = {"user_id": str(place.users[0])}
    while not process.answers(RECOMMEND, body, holds=PERSONAL):
        if time.perf_counter() - process.begun > 120:
            raise RuntimeError(process.log.read_text(errors="replace")[-3000:])
        time.sleep(0.05)
    return time.perf_counter() - process.begun


def soak(process: Process, place: Place, asking: Client, seconds: float) -> dict[str, Any]:
    """Ask for a while and look at the memory of the workers."""
    bodies = [{"user_id": str(user), "k": 10} for user in place.users]
    requests = Requests(process.port, RECOMMEND, bodies)
    before, workers = process.memory_mb(), process.workers()
    asked = asking.start(requests, Closed(CONNECTIONS, seconds))
    samples = _samples(process, asked)
    answers = asked.result()
    made = np.interp(
        [at for at, _ in samples], np.sort(answers.ended), np.arange(len(answers.ended))
    )
    half = len(samples) // 2
    each = [
        float(np.polyfit(made[half:], [row[worker] for _, row in samples[half:]], 1)[0])
        for worker in range(len(workers))
    ]
    return {
        "requests": len(answers.statuses),
        "seconds": seconds,
        "statuses": answers.by_status(),
        "rungs": answers.shares(),
        "pss_mb_before": before,
        "pss_mb_after": process.memory_mb(),
        "own_mb": [[round(value, 1) for value in row] for _, row in samples],
        "requests_at_sample": [round(value) for value in made],
        "kb_a_1000_requests": [round(1e3 * 2**10 * slope, 1) for slope in each],
        f"mb_after_{WANTED}": [round(WANTED * slope, 1) for slope in each],
        "same_workers": {each.pid for each in workers} == {each.pid for each in process.workers()},
    }


def _samples(process: Process, asked: Future[Answers]) -> list[tuple[float, list[float]]]:
    """Now and then the moment and what each worker holds of its own, in MB."""
    samples: list[tuple[float, list[float]]] = []
    workers = process.workers()
    while not asked.done() or len(samples) < 4:
        samples.append((time.time(), [one.memory_full_info().uss / 2**20 for one in workers]))
        time.sleep(SAMPLE_SECONDS)
    return samples


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    lines = [
        "| titles | first answer, s | MB a worker before, after | of it its own, least to most | "
        f"requests | MB a worker after {WANTED:,} at the slope of the second half |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"].values():
        own = [value for sample in row["own_mb"] for value in sample]
        cells = (
            f"{row['titles']:,} of {row['vector_length']} ({row['vectors_mb']} MB)",
            f"{statistics.median(row['seconds_to_first_answer']):.1f}",
            f"{_mean(row['pss_mb_before'])}, {_mean(row['pss_mb_after'])}",
            f"{min(own):.0f} to {max(own):.0f}",
            f"{row['requests']:,}",
            ", ".join(f"{value:+.1f}" for value in row[f"mb_after_{WANTED}"]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{WORKERS} workers. Measured on {result['date']}."])


def _mean(values: list[int]) -> str:
    return f"{statistics.mean(values):.0f}"
