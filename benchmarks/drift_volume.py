"""Drift of a window of 3.3 million rows and 100 columns from profiles, beside plain Evidently."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.alone import alone
from benchmarks.pairs import machine, write_result
from colisten.monitoring.bins import Bins
from colisten.monitoring.profile import ColumnProfile
from colisten.monitoring.profile_parquet import profile_parquet

NAME = "drift_volume"
ROWS, RIVAL_ROWS = 3_300_000, (100_000, 1_000_000)
NUMBERS, TEXTS = 90, 10
MOVED = 5
"""Of the numbers, and as many of the texts, move."""
LIMIT = 0.1
"""Of PSI and of Jensen-Shannon: Evidently's own default of both."""

_PART = 100_000


def run() -> None:
    """Each in a process of its own, on the same rows; what is known so far is written each time."""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            (rows, window): _written(Path(folder), rows, window)
            for rows in (*RIVAL_ROWS, ROWS)
            for window in ("reference", "current")
        }
        measure(files)


def measure(files: dict[tuple[int, str], Path]) -> None:
    """Measure on files by rows and window."""
    ours = {str(rows): alone(by_profiles, *_pair(files, rows)) for rows in (*RIVAL_ROWS, ROWS)}
    rival: dict[str, dict[str, Any]] = {}
    for rows in RIVAL_ROWS:
        rival[str(rows)] = alone(by_evidently, *_pair(files, rows))
        theirs, own = rival[str(rows)]["cpu_seconds"] / rows, ours[str(ROWS)]["cpu_seconds"] / ROWS
        result = {
            "rows": ROWS,
            "columns": NUMBERS + TEXTS,
            "profiles": ours,
            "evidently": rival,
            # By CPU, which other work on the machine changes little.
            "times_cheaper_per_row": round(theirs / own, 1),
            "same_drifted": all(rival[at]["drifted"] == ours[at]["drifted"] for at in rival),
        }
        write_result(NAME, machine() | result)


def by_profiles(reference: Path, current: Path) -> dict[str, Any]:
    """Seconds to profile the reference, which is done once, and to compare a window with it."""
    start = time.perf_counter()
    before = profile_parquet(reference)
    bins: dict[str, Bins] = {name: one.bins for name, one in before.items()}
    middle, processed = time.perf_counter(), time.process_time()
    now = profile_parquet(current, bins, sketched=False)
    drifted = sorted(name for name, one in now.items() if _moved(one, before[name]))
    end = time.perf_counter()
    return {
        "cpu_seconds": round(time.process_time() - processed, 1),
        "reference_seconds": round(middle - start, 1),
        "compare_seconds": round(end - middle, 1),
        "drifted": drifted,
    }


def by_evidently(reference: Path, current: Path) -> dict[str, Any]:
    """The same columns by Evidently's preset, by PSI and Jensen-Shannon, without its page."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[_number_name(at) for at in range(NUMBERS)],
        categorical_columns=[_text_name(at) for at in range(TEXTS)],
    )
    start, processed = time.perf_counter(), time.process_time()
    then, now = (
        Dataset.from_pandas(pq.read_table(file).to_pandas(), data_definition=definition)
        for file in (reference, current)
    )
    preset = DataDriftPreset(
        num_method="psi", cat_method="jensenshannon", num_threshold=LIMIT, cat_threshold=LIMIT
    )
    metrics = Report([preset]).run(now, then).dict()["metrics"]
    drifted = sorted(
        one["config"]["column"]
        for one in metrics
        if one["config"]["type"].endswith("ValueDrift") and float(one["value"]) >= LIMIT
    )
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - processed, 1),
        "drifted": drifted,
    }


def markdown(result: dict[str, Any] | None) -> str:
    """The table of docs/monitoring.md."""
    if result is None:
        return "Not measured yet."
    lines = [
        "| rows of each window | from profiles | CPU | peak | the reference's profile, once | "
        "plain Evidently | CPU | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rows, ours in result["profiles"].items():
        theirs = result["evidently"].get(rows)
        rival = "– | – | –"
        if theirs:
            rival = f"{theirs['seconds']:.0f} s | {theirs['cpu_seconds']:.0f} s"
            rival += f" | {theirs['peak_gib']} GiB"
        own = f"{ours['compare_seconds']:.0f} s | {ours['cpu_seconds']:.0f} s"
        once = f"{ours['reference_seconds']:.0f} s"
        lines.append(f"| {int(rows):,} | {own} | {ours['peak_gib']} GiB | {once} | {rival} |")
    return "\n".join(lines)


def _moved(now: ColumnProfile, before: ColumnProfile) -> bool:
    return now.distance(before) >= LIMIT


def _pair(files: dict[tuple[int, str], Path], rows: int) -> tuple[Path, Path]:
    return files[rows, "reference"], files[rows, "current"]


def _written(folder: Path, rows: int, window: str) -> Path:
    """Rows of normal numbers and Zipf texts; the first few of each kind move in `current`."""
    file, rng = folder / f"{window}-{rows}.parquet", np.random.default_rng(rows + len(window))
    writer = None
    words = np.array([f"category {at}" for at in range(20)])
    base = 1 / np.arange(1, 21)
    other = base[::-1]
    for _ in range(rows // _PART):
        columns: dict[str, pa.Array] = {}
        for at in range(NUMBERS):
            shift = 0.5 if window == "current" and at < MOVED else 0.0
            columns[_number_name(at)] = pa.array(
                rng.standard_normal(_PART, dtype=np.float32) + np.float32(shift)
            )
        for at in range(TEXTS):
            odds = other + base if window == "current" and at < MOVED else base
            drawn = rng.choice(20, _PART, p=odds / odds.sum()).astype(np.int32)
            columns[_text_name(at)] = pa.DictionaryArray.from_arrays(
                pa.array(drawn), pa.array(words)
            ).cast(pa.string())
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema, compression="none")
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return file


def _number_name(at: int) -> str:
    return f"number_{at}"


def _text_name(at: int) -> str:
    return f"text_{at}"
