"""Pushes events from a process of its own; imports little, for each process imports it anew."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from colisten.errors import FeatureError
from colisten.features.events import Event
from colisten.features.store import OnlineFeatures
from tests.conftest import FIELDS

THREADS = 4


def nowhere(ids: Sequence[str]) -> np.ndarray:
    return np.full(len(ids), -1, np.int64)


def send(folder: Path, events: list[Event]) -> list[Event]:
    """Push events from several threads until each is stored; returns those that were new."""
    online = OnlineFeatures(folder, nowhere, FIELDS)

    def stored(event: Event) -> bool:
        for _ in range(100):
            try:
                return online.push(event)
            except FeatureError:
                continue  # what was not stored is sent again
        raise AssertionError(f"Never stored: {event}")

    with ThreadPoolExecutor(THREADS) as pool:
        return [event for event, new in zip(events, pool.map(stored, events), strict=True) if new]
