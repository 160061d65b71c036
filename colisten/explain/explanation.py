"""An explanation of one release: calibration, importance, neighbours and maps in one record, and
the same in a few plain sentences: what drives the model, how true it is, what moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from typing import get_args

import numpy as np

from colisten.data.catalogue import Catalogue
from colisten.errors import ReportError
from colisten.explain.calibration import Calibration, calibration
from colisten.explain.importance import (
    CHANGED,
    EVERYTHING,
    LOG_PROBABILITY,
    GroupImportance,
    Importance,
    Measuring,
    Side,
    importance,
)
from colisten.explain.inputs import ExplanationInputs
from colisten.explain.item_space import MapView, Neighbourhoods, item_map, neighbourhoods
from colisten.statistics.interval import FEW_USERS, Estimate, Part
from colisten.words import known_word

TEXT, Z, TASTE = "text", "z", "taste"
SLICES = ("all", "warm", "cold")
NO_WINDOW = (
    "Nobody of these users started anything for the first time after the cut, so there is "
    "nothing to measure probabilities against."
)


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
    items = towers.items(inputs.item_features)
    calibrated = _calibrations(inputs, items, seed)
    measuring = Measuring(
        k=how.k, depth=how.depth, resamples=how.bootstrap, confidence=how.confidence, seed=seed
    )
    groups = importance(towers, sample, inputs.user_features, inputs.item_features, measuring)
    near, views = _item_space(inputs, towers.taste(items), seed)
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
        importance=groups,
        neighbourhoods=near,
        map=views,
        items=_labels(inputs.catalogue, inputs.streams, sorted(named)),
    )


def _calibrations(
    inputs: ExplanationInputs, items: np.ndarray, seed: int
) -> dict[str, Calibration | None]:
    """Calibration of all, warm and cold users; `items` are the served vectors [n_target, dim]."""
    towers, sample = inputs.towers, inputs.sample
    users = towers.users(inputs.user_features)

    def logits(rows: np.ndarray) -> np.ndarray:
        return sample.masked(towers.logits(users[rows], items), rows)

    slices = {
        "all": np.arange(len(sample)),
        "warm": np.flatnonzero(sample.warm),
        "cold": np.flatnonzero(~sample.warm),
    }
    return {
        name: calibration(
            sample.take(rows),
            lambda part, rows=rows: logits(rows[part]),  # type: ignore[misc]
            seed=seed,
            confidence=inputs.evaluation.confidence,
        )
        for name, rows in slices.items()
    }


def _item_space(
    inputs: ExplanationInputs, taste: np.ndarray, seed: int
) -> tuple[Neighbourhoods, list[MapView]]:
    """Neighbours and maps by text, by z where there is one, and by taste [n_target, d]."""
    target, vectors = inputs.release.target, _vectors(inputs)
    every = np.arange(len(inputs.catalogue))
    near = neighbourhoods(
        {TEXT: vectors[TEXT][target]}
        | ({Z: vectors[Z][target]} if Z in vectors else {})
        | {TASTE: taste},
        every[target],
        inputs.sample.available,
        inputs.streams[target],
        seed=seed,
        confidence=inputs.evaluation.confidence,
    )
    views = item_map(
        {TASTE: (every[target], taste), TEXT: (every[target], vectors[TEXT][target])}
        | ({Z: (every, vectors[Z])} if Z in vectors else {}),
        seed=seed,
    )
    return near, views


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


def verdicts(explanation: Explanation) -> list[str]:
    """Some sentences, the page's first and the terminal's only."""
    if explanation.users < FEW_USERS:
        whom = f"{explanation.users} user{'' if explanation.users == 1 else 's'}"
        sentences = [f"Only {whom} could be asked: too few to say what matters and how truly."]
    else:
        sentences = [
            drives(explanation, "user"),
            drives(explanation, "item"),
            trust(explanation),
        ]
    return [sentence for sentence in [*sentences, moved(explanation)] if sentence]


def leading_measure(explanation: Explanation) -> str:
    """What importance is ranked by: log-probability, or changed lists without a window."""
    return LOG_PROBABILITY if explanation.importance.baseline else CHANGED


def ranked(explanation: Explanation, side: Side) -> list[GroupImportance]:
    """The groups of one tower, most important first, without `everything`.

    Raises:
        ReportError: There is no such side.
    """
    known_word("Side", side, get_args(Side), ReportError)
    name = leading_measure(explanation)
    own = [
        one for one in explanation.importance.groups if one.side == side and one.group != EVERYTHING
    ]
    return sorted(own, key=lambda one: -(one.losses[name].value or 0.0))


def surely_lost(explanation: Explanation, measure: str, loss: Estimate) -> bool:
    """Whether a measure surely loses by a permutation; what the page marks and sentences say.

    Beside measures of what was started, a list that changes is no loss.
    """
    counts = measure != CHANGED or leading_measure(explanation) == CHANGED
    return counts and loss.low is not None and loss.low > 0


def drives(explanation: Explanation, side: Side) -> str:
    """Which group of a tower's inputs matters most."""
    order = ranked(explanation, side)
    if not order:
        return ""
    name = leading_measure(explanation)
    whole = explanation.importance.of(side, EVERYTHING).losses[name]
    whom = "user" if side == "user" else "item"
    sure = [one for one in order if surely_lost(explanation, name, one.losses[name])]
    if not sure:
        return _otherwise(explanation, order, whom)
    first = sure[0].losses[name]
    then = f" (then {' and '.join(one.group for one in sure[1:3])})" if sure[1:] else ""
    most = "matters most" if sure[0] is order[0] else "surely matters"
    sentence = (
        f"Of what the model reads about {whom}s, {sure[0].group} {most}{then}: taken from "
        f"another {whom}, it "
    )
    if name == CHANGED:
        sentence += (
            f"changes {_share(first)} of a list; everything taken from another {whom} "
            f"changes {_share(whole, interval=False)}."
        )
    else:
        sentence += (
            f"makes what people started {_times(first)} times less likely; everything taken "
            f"from another {whom}, {_times(whole, interval=False)} times."
        )
    if sure[0] is not order[0]:
        sentence += f" {order[0].group.capitalize()} may matter more, but not surely."
    return sentence


def _otherwise(explanation: Explanation, order: list[GroupImportance], whom: str) -> str:
    """What surely matters where nothing does by the leading measure."""
    phrases = []
    for measure in order[0].losses:
        groups = [
            one.group for one in order if surely_lost(explanation, measure, one.losses[measure])
        ]
        if groups:
            phrases.append(f"{' and '.join(groups)} by {measure}")
    nothing = f"No single input about {whom}s surely matters"
    if not phrases:
        return f"{nothing}."
    return f"{nothing} by {leading_measure(explanation)}; what surely does: {', '.join(phrases)}."


def trust(explanation: Explanation) -> str:
    """How true the probabilities are."""
    whole = explanation.calibration["all"]
    if whole is None:
        return NO_WINDOW
    if whole.users < FEW_USERS:
        started = f"{whole.users} user{'' if whole.users == 1 else 's'}"
        return f"Only {started} started anything: too few to judge probabilities."
    return f"{_error(whole)} {_confidence(whole)}"


def moved(explanation: Explanation) -> str:
    """How much of the text neighbourhoods training replaced."""
    near = explanation.neighbourhoods
    whole = near.agreement(TEXT, TASTE)
    if whole is None or whole.shared.value is None:
        return ""
    sentence = (
        f"Training moved items of type {explanation.target_type}: of the {near.k} nearest by text, "
        f"{_share(_rest(whole.shared))} are no longer among the {near.k} nearest by learned taste"
    )
    graph = near.agreement(TEXT, Z)
    if graph is not None and graph.shared.value is not None:
        sentence += (
            f"; by the co-listening graph alone {_share(_rest(graph.shared), interval=False)}"
        )
    return sentence + "."


def _error(calibration: Calibration) -> str:
    least = calibration.error_of_truth.value or 0.0
    most = calibration.error_of_truth.high or 0.0
    verdict = (
        "The probabilities are off by more than chance"
        if calibration.sure
        else "The probabilities cannot be distinguished from true ones"
    )
    return (
        f"{verdict}: the expected calibration error over {calibration.choices:,} starts is "
        f"{calibration.error:.3f}, where true probabilities would show {least:.3f} and hardly ever "
        f"more than {most:.3f}."
    )


def _confidence(calibration: Calibration) -> str:
    slope = calibration.slope
    if slope.value is None or slope.low is None or slope.high is None:
        return ""
    span = f"calibration slope {slope.value:.2f}, {slope.low:.2f} to {slope.high:.2f}"
    if slope.high < 1:
        return f"The model is too sure of itself ({span})."
    if slope.low > 1:
        return f"The model is not sure enough of itself ({span})."
    return f"It is about as sure of itself as it should be ({span})."


def _times(loss: Estimate, *, interval: bool = True) -> str:
    value = _factor(loss.value or 0.0)
    if not interval or loss.low is None or loss.high is None:
        return value
    return f"{value} ({_factor(loss.low)} to {_factor(loss.high)})"


def _factor(nats: float) -> str:
    """e^nats to three digits, in full."""
    return f"{float(f'{exp(nats):.3g}'):,.12g}"


def _share(one: Estimate, *, interval: bool = True) -> str:
    if not interval or one.low is None or one.high is None:
        return f"{one.value or 0.0:.0%}"
    return f"{one.value or 0.0:.0%} ({one.low:.0%} to {one.high:.0%})"


def _rest(shared: Estimate) -> Estimate:
    """One minus a share."""
    flipped = [
        None if one is None else 1.0 - one for one in (shared.value, shared.high, shared.low)
    ]
    return Estimate(value=flipped[0], low=flipped[1], high=flipped[2])
