"""What one chunk of users does in the window: audiobooks with their weak signals, podcasts, music.

A user first chooses items (the top of taste + language + popularity + Gumbel noise, which is a
draw from the softmax without replacement) and then moments, on the even clock of `rhythm`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from colisten.simulator.items import Items
from colisten.simulator.journeys import FOLLOW, LONGEST, PREVIEW, STREAM, draw_journeys
from colisten.simulator.people import People
from colisten.simulator.rhythm import Rhythm
from colisten.simulator.settings import WorldSettings

_MOST_BOOKS = 80
_MOST_SHOWS = 120
_DIRECT = 0.35
"""Share of an audiobook listener's choices that are streamed with no weak signal before."""
_RELISTEN = 0.0025
"""Chance that a streamed audiobook is streamed again."""
_PLAYS = 3.0
"""Mean streams of one artist by one listener."""
_STEP_DAYS, _DECIDE_DAYS, _RELISTEN_DAYS = 0.7, 1.5, 20.0
_FRESH = 2.5
"""Power that draws listening to a new release towards its first days; 1 is even."""


@dataclass(frozen=True)
class Events:
    """Events of one chunk, in no order; all arrays have one length.

    Attributes:
        user: Row within the chunk, int64.
        item: Row within the catalogue, int64.
        signal: Code as in `journeys`, int8.
        moment: Microseconds since 1970 UTC, int64.
        hours: Hours of a stream, float32; NaN for weak signals.
    """

    user: np.ndarray
    item: np.ndarray
    signal: np.ndarray
    moment: np.ndarray
    hours: np.ndarray

    def take(self, rows: np.ndarray) -> Events:
        """The given rows (a mask or an order)."""
        columns = (self.user, self.item, self.signal, self.moment, self.hours)
        return Events(*(column[rows] for column in columns))


def listen(
    people: People,
    items: Items,
    settings: WorldSettings,
    rng: np.random.Generator,
    music: np.random.Generator,
) -> Events:
    """Everything that these users do, sorted by moment, user, item and signal.

    What they do to artists comes from numbers of its own, `music`: a world with music is the same
    world beside it.
    """
    books = _audiobooks(people, items, settings, rng)
    shows = _shows("podcast", people, items, settings, rng)
    events = _joined([books, shows], people, items, rng)
    if settings.music:
        artists = _joined([_shows("music", people, items, settings, music)], people, items, music)
        events = Events(
            *(
                np.concatenate([getattr(part, field.name) for part in (events, artists)])
                for field in fields(Events)
            )
        )
    first, last = (
        int(m.timestamp()) * 1_000_000 for m in (settings.start_moment, settings.end_moment)
    )
    begin = np.maximum(first, items.published[events.item])
    events = events.take((events.moment >= begin) & (events.moment < last))
    return events.take(np.lexsort((events.signal, events.item, events.user, events.moment)))


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    people: People,
    items: Items,
    rng: np.random.Generator,
) -> Events:
    user, item, signal, moment = (np.concatenate([part[n] for part in parts]) for n in range(4))
    hours = _hours(user, item, signal, people, items, rng)
    return Events(user, item, signal.astype(np.int8), moment, hours)


def taste_of(people: People, items: Items, item_type: str) -> np.ndarray:
    """Log weight from taste alone, float32 [b, items of the type]."""
    return np.asarray(people.taste[item_type] @ items.taste[items.rows(item_type)].T)


def _choose(
    counts: np.ndarray,
    taste: np.ndarray,
    people: People,
    items: Items,
    item_type: str,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `counts[u]` different items of a type for user u; (user rows, rows within the type)."""
    rows = items.rows(item_type)
    scores = taste + items.popularity[rows]
    scores += items.local_popularity[people.country][:, rows]
    scores += people.speaks[:, items.language[rows]]
    scores -= np.log(rng.standard_exponential(scores.shape, dtype=np.float32).clip(1e-30))
    most = int(counts.max(initial=0))
    if most == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # A user who would run out of titles in a known language stops there.
    top = np.argpartition(-scores, min(most, scores.shape[1] - 1), axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    top = np.take_along_axis(top, order, axis=1)
    known = np.take_along_axis(people.speaks[:, items.language[rows]], top, axis=1) > -50.0
    drawn = (np.arange(top.shape[1]) < counts[:, None]) & known
    user = np.nonzero(drawn)[0]
    return user, top[drawn]


def _audiobooks(
    people: People, items: Items, settings: WorldSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    days = np.maximum(settings.days - people.adopted, 0.0)
    counts = np.minimum(rng.poisson(people.rate * days / 30.0), _MOST_BOOKS)
    taste = taste_of(people, items, "audiobook")
    user, item = _choose(counts, taste, people, items, "audiobook", rng)
    rhythm, offset = Rhythm.of("audiobook", settings), _offsets(people, settings)[user]
    start = _first_moments(people.adopted[user], item, items, rhythm, offset, rng)

    # The match is judged against what this user chose elsewhere: everybody converts alike.
    liking = taste[user, item]
    mean = np.bincount(user, liking, len(people)) / np.bincount(user, minlength=len(people)).clip(1)
    spread = float(np.std(liking - mean[user])) if len(user) else 1.0
    match = (liking - mean[user]) / max(spread, 1e-6)
    direct = rng.random(len(user)) < _DIRECT
    journeys = draw_journeys(match, rng)

    steps = rng.exponential(_STEP_DAYS, (len(user), LONGEST))
    opening = LONGEST - journeys.lengths
    place = np.arange(LONGEST)
    steps[place <= opening[:, None]] = 0.0
    weak_at = start[:, None] + np.cumsum(steps, axis=1)
    stream_at = np.where(direct, start, weak_at[:, -1] + rng.exponential(_DECIDE_DAYS, len(user)))
    streamed = direct | journeys.streamed
    again = streamed & (rng.random(len(user)) < _RELISTEN)
    again_at = stream_at + rng.exponential(_RELISTEN_DAYS, len(user))

    weak_row, weak_place = np.nonzero((journeys.signals >= 0) & ~direct[:, None])
    row = np.concatenate([weak_row, np.flatnonzero(streamed), np.flatnonzero(again)])
    even = np.concatenate([weak_at[weak_row, weak_place], stream_at[streamed], again_at[again]])
    signal = np.full(len(row), STREAM)
    signal[: len(weak_row)] = journeys.signals[weak_row, weak_place]
    return _within(user[row], item[row], signal, even, rhythm, offset[row], settings)


def _shows(
    item_type: str,
    people: People,
    items: Items,
    settings: WorldSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Podcasts or artists: a few of them, each listened to again and again."""
    mean_streams = {"podcast": settings.podcast_episodes, "music": _PLAYS}[item_type]
    begin = np.maximum(people.joined, 0.0)
    share = (settings.days - begin) / settings.days
    # A newcomer gets to know fewer shows, but not in proportion: the first weeks are curious.
    shows = people.shows[item_type]
    counts = np.ceil(shows * np.sqrt(share)).astype(np.int64).clip(0, _MOST_SHOWS)
    taste = taste_of(people, items, item_type)
    user, item = _choose(counts, taste, people, items, item_type, rng)
    item = item + items.rows(item_type).start
    rhythm, offset = Rhythm.of(item_type, settings), _offsets(people, settings)[user]
    start = _first_moments(begin[user], item, items, rhythm, offset, rng)

    episodes = rng.geometric(1.0 / mean_streams, len(user))
    later = np.repeat(np.arange(len(user)), episodes - 1)
    later_at = start[later] + rng.random(len(later)) * np.minimum(
        40.0, settings.days - start[later]
    )
    previewed = np.flatnonzero(rng.random(len(user)) < 0.12)
    followed = np.flatnonzero(rng.random(len(user)) < np.minimum(0.1 * episodes, 0.6))
    row = np.concatenate([np.arange(len(user)), later, previewed, followed])
    even = np.concatenate(
        [
            start,
            later_at,
            start[previewed] - rng.exponential(0.05, len(previewed)),
            start[followed] + rng.exponential(0.3, len(followed)),
        ]
    )
    signal = np.full(len(row), STREAM)
    signal[len(user) + len(later) :] = PREVIEW
    signal[len(row) - len(followed) :] = FOLLOW
    return _within(user[row], item[row], signal, even, rhythm, offset[row], settings)


def _first_moments(
    begin: np.ndarray,
    item: np.ndarray,
    items: Items,
    rhythm: Rhythm,
    offset: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Even-clock moment at which each user turns to each item; a release draws its crowd early."""
    released = rhythm.to_even(items.published[item], offset)
    draw = rng.random(len(item))
    draw = np.where(released > begin, draw**_FRESH, draw)
    begin = np.maximum(begin, released)
    return np.asarray(begin + (rhythm.even[-1] - begin) * draw)


def _within(
    user: np.ndarray,
    item: np.ndarray,
    signal: np.ndarray,
    even: np.ndarray,
    rhythm: Rhythm,
    offset: np.ndarray,
    settings: WorldSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    keep = (even >= 0.0) & (even < settings.days)
    user, item, signal, even, offset = (x[keep] for x in (user, item, signal, even, offset))
    return user, item, signal, rhythm.to_world(even, offset)


def _hours(
    user: np.ndarray,
    item: np.ndarray,
    signal: np.ndarray,
    people: People,
    items: Items,
    rng: np.random.Generator,
) -> np.ndarray:
    share = np.where(
        item < items.counts["audiobook"],
        people.patience[user] * rng.beta(2.0, 1.0, len(user)),
        rng.beta(4.0, 1.5, len(user)),
    )
    hours = (items.length[item] * share).astype(np.float32)
    hours[signal != STREAM] = np.nan
    return np.asarray(hours)


def _offsets(people: People, settings: WorldSettings) -> np.ndarray:
    offsets = np.array([place.utc_offset for place in settings.countries])
    return np.asarray(offsets[people.country])
