from __future__ import annotations

import re
from pathlib import Path

import pytest

from colisten.explain.calibration import Bin
from colisten.explain.explanation import NO_WINDOW, Explanation, verdicts
from colisten.reports.explanation import reliability, to_html
from colisten.statistics.interval import Estimate
from tests.monitoring.chromium import page_text

EVIL = "</script><script>alert(1)</script>"


def without_scripts(page: str) -> str:
    return re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)


def test_equal_explanations_give_equal_pages(explanation: Explanation) -> None:
    assert to_html(explanation) == to_html(explanation)


def test_nothing_is_fetched(explanation: Explanation) -> None:
    page = to_html(explanation)
    assert not re.findall(r"(?:src|href)\s*=", without_scripts(page))
    assert not re.findall(r"<script[^>]+src", page)
    assert "@import" not in without_scripts(page)
    assert "prefers-color-scheme: dark" in page


def test_titles_cannot_break_out(explanation: Explanation) -> None:
    items = {
        item: label.model_copy(update={"title": EVIL, "genre": EVIL})
        for item, label in explanation.items.items()
    }
    page = to_html(explanation.model_copy(update={"items": items}))
    assert EVIL not in page
    assert "&lt;/script&gt;" in without_scripts(page)


def test_a_page_without_a_window(explanation: Explanation) -> None:
    silent = explanation.model_copy(
        update={"calibration": dict.fromkeys(("all", "warm", "cold")), "window_days": 0}
    )
    page = without_scripts(to_html(silent))
    assert NO_WINDOW in page
    assert "no window after it" in page


def test_every_slice_with_streams_has_its_picture(explanation: Explanation) -> None:
    page = without_scripts(to_html(explanation))
    for name in ("all", "warm", "cold"):
        told = explanation.calibration[name] is not None
        assert (f'aria-label="{name.capitalize()} users"' in page) == told
    assert (explanation.calibration["cold"] is None) == ("No cold user started" in page)


@pytest.mark.parametrize("share", [0.3, 1.0, 1.0 + 1e-9])
def test_no_axis_of_a_share_passes_one(explanation: Explanation, share: float) -> None:
    whole = explanation.calibration["all"]
    assert whole is not None
    one = Bin(
        pairs=1, expected=1.0, streamed=1, predicted=share, observed=Estimate(value=1.0, high=1.0)
    )
    drawn = reliability(whole.model_copy(update={"bins": [one]}))
    assert drawn.x_ticks[-1][1] == drawn.y_ticks[-1][1] == "100%"


@pytest.mark.slow
def test_the_page_opens_offline_and_draws_the_map(tmp_path: Path, explanation: Explanation) -> None:
    file = tmp_path / "explain.html"
    file.write_text(to_html(explanation))
    text = page_text(file, tmp_path / "profile")
    for sentence in verdicts(explanation):
        assert re.sub(r"\s+", " ", sentence) in text
    # What plotly's own script draws: the chosen view and the legend.
    assert "learned taste, after training, by genre" in text
    assert "crime" in text
