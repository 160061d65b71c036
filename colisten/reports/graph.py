"""The graph report as one HTML page that needs no network."""

from __future__ import annotations

from colisten.graph.report import Estimate, GraphReport, RelationFigures
from colisten.pages import Page
from colisten.reports.charts import Row, Scale
from colisten.reports.render import render


def to_html(report: GraphReport) -> Page:
    """A whole page, the same bytes for the same report."""
    return render(
        "graph",
        "Co-listening graph",
        report=report,
        degrees={name: _degrees(one) for name, one in report.relations.items()},
        likeness=_likeness(report),
        number=_number,
        only_through_other=_share(report.only_through_other),
    )


class _Doubling:
    """A count on a scale that doubles: how many binary digits it has."""

    low = high = None

    def __init__(self, count: int) -> None:
        self.value = float(count.bit_length())


def _degrees(one: RelationFigures) -> tuple[list[Row], Scale]:
    """Items by number of neighbours, both on scales that double."""
    rows = []
    for at, count in enumerate(one.degrees):
        least, most = (1 << at - 1, (1 << at) - 1) if at else (0, 0)
        name = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        rows.append(Row(name, _Doubling(count), f"{count:,}"))
    return rows, Scale.over([row.one.value for row in rows])


def _likeness(report: GraphReport) -> list[tuple[str, Estimate, Estimate | None]]:
    if report.likeness is None:
        return []
    return [
        ("linked directly", report.likeness.linked, report.likeness.linked_gain),
        (
            "joined through another type",
            report.likeness.through_other,
            report.likeness.through_gain,
        ),
        ("random", report.likeness.random, None),
    ]


def _number(one: Estimate) -> str:
    if one.mean is None:
        return "none"
    return f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f})"


def _share(one: Estimate) -> str:
    if one.mean is None:
        return "None"
    return f"{one.mean:.1%} ({one.low:.1%} to {one.high:.1%})"
