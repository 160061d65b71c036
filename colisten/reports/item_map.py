"""The map as a picture to move about in; plotly's script comes with it, so nothing is fetched."""

from __future__ import annotations

from colisten.extras import needs

needs("plotly")

from collections import Counter
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from colisten.explain.explanation import Explanation, ItemLabel
from colisten.explain.item_space import MapView
from colisten.json_files import parse_json
from colisten.pages import figure_text, json_text

MAP = "item-map"
"""The element that the map is drawn into."""

# Okabe and Ito's palette, which most eyes distinguish on light and on dark.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#9a6fb0", "#b8a500")
_REST, _REST_COLOUR, _INK = "other or none", "#8a96a3", "#8a96a3"
_SHAPES = ("circle", "diamond", "square", "cross")
_BY: dict[str, Callable[[ItemLabel], str]] = {
    "genre": lambda one: one.genre,
    "language": lambda one: one.language,
}
_POPULARITY = "popularity"


def map_scripts(explanation: Explanation) -> tuple[str, str]:
    """plotly's script, and one that draws the map into `MAP`; equal for equal explanations."""
    figure = go.Figure()
    views: list[tuple[str, int]] = []
    for view in explanation.map:
        if not view.points:
            continue
        for colour in (*_BY, _POPULARITY):
            traces = _traces(view, colour, explanation)
            for trace in traces:
                figure.add_trace(trace.update(visible=not views))
            views.append((f"{_space_name(view)}, by {colour}", len(traces)))
    starts = np.cumsum([0, *(count for _, count in views)])
    buttons = [
        {
            "label": figure_text(label),
            "method": "update",
            "args": [
                {
                    "visible": [
                        bool(starts[at] <= trace < starts[at + 1])
                        for trace in range(int(starts[-1]))
                    ]
                }
            ],
        }
        for at, (label, _) in enumerate(views)
    ]
    hidden = {"visible": False, "fixedrange": False}
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": _INK, "family": "system-ui, sans-serif"},
        xaxis=hidden,
        yaxis={**hidden, "scaleanchor": "x"},
        margin={"l": 0, "r": 0, "t": 44, "b": 0},
        height=640,
        dragmode="pan",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": _INK, "activecolor": PALETTE[0]},
        legend={"itemsizing": "constant"},
        updatemenus=[
            {
                "buttons": buttons,
                "x": 0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "bottom",
                "bgcolor": "#f3f5f7",
                "font": {"color": "#1d2329"},
            }
        ],
    )
    config = {
        "displaylogo": False,
        "scrollZoom": True,
        "responsive": True,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    drawn = parse_json(figure.to_json())
    arguments = ", ".join(map(json_text, (MAP, drawn["data"], drawn["layout"], config)))
    return get_plotlyjs(), f"Plotly.newPlot({arguments});"


def _space_name(view: MapView) -> str:
    return {
        "text": "text, before training",
        "taste": "learned taste, after training",
        "z": "z of the graph, all types",
    }.get(view.space, view.space)


def _traces(view: MapView, colour: str, explanation: Explanation) -> list[go.Scatter]:
    """One trace a colour, or one a type where the colour is a scale; shapes distinguish types."""
    labels = [explanation.items[point.item] for point in view.points]
    types = sorted(
        {one.item_type for one in labels}, key=lambda one: (one != explanation.target_type, one)
    )
    shape = dict(zip(types, _SHAPES * len(types), strict=False))
    if colour == _POPULARITY:
        top = max(np.log1p([one.streams for one in labels]))
        return [
            _trace(
                view,
                labels,
                [at for at, one in enumerate(labels) if one.item_type == item_type],
                item_type,
                {
                    "color": [
                        float(np.log1p(one.streams)) for one in labels if one.item_type == item_type
                    ],
                    "colorscale": "Viridis",
                    "cmin": 0,
                    "cmax": float(top) or 1.0,
                    "symbol": shape[item_type],
                },
            )
            for item_type in types
        ]
    read = _BY[colour]
    counted = Counter(read(one) for one in labels if read(one))
    frequent = sorted(counted, key=lambda name: (-counted[name], name))[: len(PALETTE)]
    colours = {**dict(zip(frequent, PALETTE, strict=False)), _REST: _REST_COLOUR}
    names = [read(one) if read(one) in frequent else _REST for one in labels]
    return [
        _trace(
            view,
            labels,
            members,
            name,
            {"color": colours[name], "symbol": [shape[labels[at].item_type] for at in members]},
        )
        for name in colours
        if (members := [at for at, one in enumerate(names) if one == name])
    ]


def _trace(
    view: MapView, labels: list[ItemLabel], members: list[int], name: str, marker: dict[str, object]
) -> go.Scatter:
    return go.Scatter(
        x=[view.points[at].x for at in members],
        y=[view.points[at].y for at in members],
        mode="markers",
        name=figure_text(name),
        marker={"size": 7, "opacity": 0.8, **marker},
        text=[_hover(labels[at]) for at in members],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(one: ItemLabel) -> str:
    parts = [one.item_type, one.genre, one.language, f"{one.streams:,} users"]
    about = figure_text(", ".join(part for part in parts if part))
    return f"<b>{figure_text(one.title)}</b><br>{about}"
