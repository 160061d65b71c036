from __future__ import annotations

import re
from xml.etree import ElementTree

from colisten.reports.curve import curve_html


def test_each_name_has_a_line_through_its_points() -> None:
    curve = [{"step": 0, "train": 2.0}, {"step": 10, "train": 1.0, "validation": 1.5}]
    page = curve_html(curve, title="Loss <b>")
    assert "Loss &lt;b&gt;" in page
    svg = re.search(r"<svg.*</svg>", page)
    assert svg is not None
    lines = ElementTree.fromstring(svg[0]).findall("polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 1]
    first, last = lines[0].attrib["points"].split()
    # A falling loss is drawn downwards: y grows.
    assert float(first.split(",")[1]) < float(last.split(",")[1])


def test_an_empty_curve_says_so() -> None:
    assert "No step was measured" in curve_html([], title="Loss")
