"""A cut that leaves too little is refused, or says what there is too little of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from colisten.data.prepare import check_cut, cut_notices
from colisten.data.violations import NobodyMeasured, NobodyStarted
from colisten.settings.tree import Settings, load_settings
from tests.data.small import CUT, Event, write_small

SETTINGS = Settings()
DAY = timedelta(days=1)


def notices(folder: Path, cut: datetime = CUT, *overrides: str) -> str:
    settings = load_settings(None, overrides) if overrides else SETTINGS
    return " ".join(
        cut_notices(folder, cut=cut, window_days=14, k=settings.evaluation.k, data=settings.data)
    )


def plenty() -> list[Event]:
    """Twelve books, six users who stream two each before the cut and one after it."""
    before = [
        (f"u{user}", f"a{user + at}", "stream", CUT - 9 * DAY) for user in range(6) for at in (0, 1)
    ]
    after = [(f"u{user}", f"a{user + 5}", "stream", CUT + DAY) for user in range(6)]
    return [*before, *after]


def test_enough_says_nothing(tmp_path: Path) -> None:
    assert notices(write_small(tmp_path, plenty())) == ""


@pytest.mark.parametrize("signal", ["follow", "preview", "intent_to_pay"])
def test_without_a_start_of_the_recommended_type_it_is_refused(tmp_path: Path, signal: str) -> None:
    events = [(user, item, signal, moment) for user, item, _, moment in plenty()]
    folder = write_small(tmp_path, [*events, ("u0", "p1", "stream", CUT - DAY)])
    with pytest.raises(NobodyStarted, match="nobody starts any audiobook before the cut") as one:
        notices(folder)
    assert one.value.exit_code == 2
    assert "--target" in str(one.value)
    assert notices(folder, CUT, "data.target_type=podcast", "data.auxiliary_type=audiobook")


def test_a_stream_at_the_cut_is_not_before_it(tmp_path: Path) -> None:
    folder = write_small(tmp_path, [("u0", "p1", "stream", CUT - DAY), ("u0", "a1", "stream", CUT)])
    with pytest.raises(NobodyStarted):
        notices(folder)
    assert "not be measured" in notices(folder, CUT + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("books", "says"),
    [
        (1, "One audiobook can be"),
        (3, "3 audiobook items can be"),
        (10, "10 audiobook items"),
        (11, ""),
    ],
)
def test_a_catalogue_of_no_more_than_k_titles(tmp_path: Path, books: int, says: str) -> None:
    events = [("u0", "a0", "stream", CUT - DAY), ("u1", "a0", "stream", CUT + DAY)]
    folder = write_small(tmp_path, [*events, ("u1", "p0", "stream", CUT - DAY)], books=books)
    told = notices(folder)
    assert says in told
    assert ("can be recommended" in told) is bool(says)
    assert ("can be recommended" in notices(folder, CUT, "evaluation.k=11")) is True


def test_everybody_has_had_everything(tmp_path: Path) -> None:
    had = [(f"u{user}", f"a{book}", "stream", CUT - DAY) for user in range(3) for book in range(12)]
    again = [("u0", "a1", "stream", CUT + DAY)]
    assert "nothing is left to recommend" in notices(write_small(tmp_path / "all", had + again))
    assert "nothing is left" not in notices(
        write_small(tmp_path / "less", had[1:] + had[1:9] + again)
    )
    new = [("u9", "p1", "stream", CUT - DAY)]
    assert "nothing is left" not in notices(write_small(tmp_path / "new", had + new + again))


def test_nobody_has_two_items(tmp_path: Path) -> None:
    events = [(f"u{user}", f"a{user}", "stream", CUT - DAY) for user in range(6)]
    later = [("u1", "a2", "stream", CUT + DAY)]
    assert "no co-listening" in notices(write_small(tmp_path / "none", events + later))
    more = [("u1", "p1", "follow", CUT - DAY)]
    assert "no co-listening" not in notices(write_small(tmp_path / "one", events + later + more))


@pytest.mark.parametrize(
    "later",
    [
        [],
        [("u0", "a0", "stream", CUT + DAY)],  # had before
        [("new", "a3", "stream", CUT + DAY)],  # not known before
        [("u0", "a3", "follow", CUT + DAY)],
        [("u0", "p3", "stream", CUT + DAY)],
        [("u0", "a3", "stream", CUT + 14 * DAY)],  # past the window
    ],
)
def test_nobody_to_measure(tmp_path: Path, later: list[Event]) -> None:
    before = [event for event in plenty() if event[3] < CUT]
    assert "will not be measured" in notices(write_small(tmp_path / "none", before + later))
    with pytest.raises(NobodyMeasured, match="in the 14 days after it") as caught:
        check_cut(tmp_path / "none", cut=CUT, window_days=14, only_measures=True)
    assert caught.value.exit_code == 2
    one = [("u0", "a3", "stream", CUT)]
    assert "not be measured" not in notices(write_small(tmp_path / "one", before + later + one))


def test_a_cut_in_another_zone_is_the_same_moment(tmp_path: Path) -> None:
    from zoneinfo import ZoneInfo

    folder = write_small(tmp_path, plenty())
    assert notices(folder, CUT.astimezone(ZoneInfo("Asia/Tokyo"))) == notices(folder, CUT)
    assert CUT.tzinfo is UTC
