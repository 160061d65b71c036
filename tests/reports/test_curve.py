from __future__ import annotations

import re

from colisten.reports.curve import curve_html


def test_each_name_has_a_line_through_its_points() -> None:
    curve = [{"step": 0, "train": 2.0}, {"step": 10, "train": 1.0, "validation": 1.5}]
    page = curve_html(curve, title="Loss <b>")
    assert "<h1>Loss &lt;b&gt;</h1>" in page
    (line,) = re.findall(r'class="joined" x1="(.*?)%" y1="(.*?)%" x2="(.*?)%" y2="(.*?)%"', page)
    left, first, right, last = map(float, line)
    assert left < right
    assert first < last, "a falling loss is drawn downwards: y grows"
    assert page.count('<circle class="dot"') == 3
    assert re.findall(r"</i>(.*?)</li>", page) == ["train", "validation"]


def test_what_has_another_unit_has_a_figure_of_its_own() -> None:
    curve = [{"step": at, "loss": 5.0, "mrr": 0.1, "validation_hit_rate": 0.2} for at in range(3)]
    page = curve_html(curve, title="HGNN")
    assert re.findall(r"<figcaption>(.*?)<", page) == ["loss", "mrr", "hit rate"]


def test_an_empty_curve_says_so() -> None:
    assert "No step was measured" in curve_html([], title="Loss")


def test_an_axis_of_shares_does_not_pass_one() -> None:
    page = curve_html([{"step": at, "hit_rate": 1.0} for at in (10, 20)], title="t")
    assert {"0", "0.5", "1"} <= set(re.findall(r">([\d.]+)<", page))
    assert ">1.5<" not in page


def test_choices_share_figures_and_counts_have_none() -> None:
    """Hundreds of users on the axis of a loss would flatten it."""
    point = {
        "validation_loss": 5.0,
        "taste_share_cold": 0.5,
        "floor_cold_1": 0.5,
        "users_cold": 641.0,
        "tried_cold: taste alone": 0.1,
        "tried_cold: taste alone_error": 0.01,
    }
    page = curve_html([{"epoch": at, **point} for at in (1, 2)], title="t", x="epoch")
    assert set(re.findall(r"<figcaption>(.*?)<", page)) == {
        "loss",
        "weights of a score",
        "mrr of what was tried",
    }
    assert "users_cold" not in page
    assert "taste alone_error" not in page
