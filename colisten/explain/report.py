"""An explanation of one release: calibration, importance, neighbours and maps in one record."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from colisten.data.catalogue import Catalogue
from colisten.explain.calibration import Calibration, calibration
from colisten.explain.estimate import Part
from colisten.explain.importance import Importance, Measuring, importance
from colisten.explain.inputs import ExplanationInputs
from colisten.explain.map import MapView, item_map
from colisten.explain.neighbours import Neighbourhoods, neighbourhoods

TEXT, Z, TASTE = "text", "z", "taste"
SLICES = ("all", "warm", "cold")


class ItemLabel(Part):
    """What an item is called and by what it is coloured; `streams` are users before the cut."""

    item_id: str
    item_type: str
    title: str
    genre: str
    language: str
    streams: int


class Explanation(Part):
    """All of it; `model_dump(mode="json")` is explain.json.

    Attributes:
        release_id: What is explained.
        cut: ISO 8601 in UTC.
        target_type: Item type that is recommended.
        window_days: Days after the cut that hold events; 0 where nothing can be measured.
        users: Users of the sample.
        candidates: Items that could be recommended at the cut.
        unreachable: Streams of the whole window that no candidate could answer; left out.
        temperature: Of the softmax.
        seed: Of samples, permutations and layouts.
        confidence: Mass of the intervals.
        calibration: All, warm and cold users; null where none of them streamed anything.
        importance: Groups of both towers' inputs.
        neighbourhoods: By text, by z and by taste.
        map: Spaces in two dimensions.
        items: Labels of every item named, by index in the catalogue.
    """

    release_id: str
    cut: str
    target_type: str
    window_days: int
    users: int
    candidates: int
    unreachable: int
    temperature: float
    seed: int
    confidence: float
    calibration: dict[str, Calibration | None]
    importance: Importance
    neighbourhoods: Neighbourhoods
    map: list[MapView]
    items: dict[int, ItemLabel]


def explain(inputs: ExplanationInputs, *, seed: int) -> Explanation:
    """Explain a release; equal inputs and seed give an equal explanation."""
    towers, sample, how = inputs.towers, inputs.sample, inputs.evaluation
    users = towers.users(inputs.user_features)
    items = towers.items(inputs.item_features)

    def logits(rows: np.ndarray) -> np.ndarray:
        return sample.masked(towers.logits(users[rows], items), rows)

    slices = {
        "all": np.arange(len(sample)),
        "warm": np.flatnonzero(sample.warm),
        "cold": np.flatnonzero(~sample.warm),
    }
    calibrated = {
        name: calibration(
            sample.take(rows),
            lambda part, rows=rows: logits(rows[part]),  # type: ignore[misc]
            seed=seed,
            confidence=how.confidence,
        )
        for name, rows in slices.items()
    }
    importances = importance(
        towers,
        sample,
        inputs.user_features,
        inputs.item_features,
        Measuring(
            k=how.k,
            depth=how.depth,
            resamples=how.bootstrap,
            confidence=how.confidence,
            seed=seed,
        ),
    )
    target = inputs.release.target
    every = np.arange(len(inputs.catalogue))
    vectors = _vectors(inputs)
    near = neighbourhoods(
        {TEXT: vectors[TEXT][target]}
        | ({Z: vectors[Z][target]} if Z in vectors else {})
        | {TASTE: towers.taste(items)},
        every[target],
        sample.available,
        inputs.streams[target],
        seed=seed,
        confidence=how.confidence,
    )
    views = item_map(
        {TASTE: (every[target], towers.taste(items)), TEXT: (every[target], vectors[TEXT][target])}
        | ({Z: (every, vectors[Z])} if Z in vectors else {}),
        seed=seed,
    )
    named = {point.item for view in views for point in view.points}
    for example in near.examples:
        named.add(example.item)
        named |= {one.item for some in example.neighbours.values() for one in some}
    return Explanation(
        release_id=inputs.release.release_id,
        cut=inputs.release.manifest.as_of,
        target_type=inputs.release.manifest.target_type,
        window_days=inputs.window_days if sample.answered else 0,
        users=len(sample),
        candidates=int(sample.available.sum()),
        unreachable=sample.unreachable,
        temperature=towers.temperature,
        seed=seed,
        confidence=how.confidence,
        calibration=calibrated,
        importance=importances,
        neighbourhoods=near,
        map=views,
        items=_labels(inputs.catalogue, inputs.streams, sorted(named)),
    )


def _vectors(inputs: ExplanationInputs) -> dict[str, np.ndarray]:
    """The blocks of the history vectors, by name, [num_items, d] each."""
    borders = np.cumsum(list(inputs.towers.item_spec.blocks.values()))[:-1]
    parts = np.split(np.asarray(inputs.release.history_vectors), borders, axis=1)
    return dict(zip(inputs.towers.item_spec.blocks, parts, strict=True))


def _labels(
    catalogue: Catalogue, streams: np.ndarray, items: Iterable[int]
) -> dict[int, ItemLabel]:
    genres = catalogue.table.column("genres").to_pylist()
    return {
        item: ItemLabel(
            item_id=catalogue.item_ids[item],
            item_type=catalogue.item_types[item],
            title=catalogue.titles[item] or catalogue.item_ids[item],
            genre=next(iter(genres[item] or ()), "") or "",
            language=catalogue.languages[item] or "",
            streams=int(streams[item]),
        )
        for item in items
    }
