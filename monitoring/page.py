"""Evidently's report as a page of ours: the same widgets, drawn by Evidently's own script.

Evidently's `save_html` puts values as they are into a script, and its figures are plotly's, which
reads tags and links in the text that it draws. Here a report becomes a page in
`colisten.pages`, like any other.
"""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import evidently
from evidently.core.report import Snapshot
from evidently.legacy.model.widget import AdditionalGraphInfo, BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import group_widget

from colisten.json_files import parse_json, to_json
from colisten.pages import Page, figure_text, json_text, page
from colisten.reports.render import theme
from colisten.shown import plain_lines

_STATIC = Path(evidently.__file__).parent / "nbextension" / "static"
_ROOT = "report"
# Evidently's script draws by the theme of the reader's system, also what goes on paper.
_ON_PAPER = f"""
(() => {{
  const paper = matchMedia("print"), root = document.getElementById("{_ROOT}");
  paper.addEventListener("change", () => {{
    const box = root.querySelector(".MuiPaper-root") || root;
    const [share] = getComputedStyle(box).color.match(/[0-9.]+/g) || [0];
    root.classList.toggle("inverted", paper.matches && Number(share) > 127);
  }});
}})();
"""
# What marks a figure in the tree of widgets: a whole one, or the bars inside a cell of a table.
_FIGURES = ({"data", "layout"}, {"x", "y"})


def report_page(snapshot: Snapshot, title: str, *, above: Sequence[BaseWidgetInfo] = ()) -> Page:
    """A page that draws a report and needs no network.

    Args:
        snapshot: What Evidently measured.
        title: Of the page.
        above: Widgets that stand before all others.
    """
    model = snapshot.to_snapshot_model()
    widgets = [group_widget(title="", widgets=[*above, *model.widgets]), *model.tests_widgets]
    details = {
        graph.id: graph.params if isinstance(graph, AdditionalGraphInfo) else graph.dict()
        for widget in widgets
        for graph in widget.get_additional_graphs()
    }
    report = {
        "name": title,
        "widgets": [widget.dict(exclude={"additionalGraphs"}) for widget in widgets],
    }
    draw = (
        f"window.drawDashboard({json_text(_shown(report))}, "
        f'new Map(Object.entries({json_text(_shown(details))})), "{_ROOT}");'
    )
    library = (_STATIC / "index.js").read_text(encoding="utf-8")
    return page(
        title,
        f'<div id="{_ROOT}"></div>',
        style=theme() + _style(),
        scripts=("var global = globalThis;", library, draw, _ON_PAPER),
    )


def _shown(tree: Any) -> Any:
    """Evidently's widgets as plain JSON whose strings are text where they are drawn."""
    return _texts(parse_json(to_json(tree)), in_figure=False)


def _texts(tree: Any, *, in_figure: bool) -> Any:
    if isinstance(tree, str):
        # Markdown stands in several lines; whoever composes it escapes the values in it.
        return figure_text(tree) if in_figure else plain_lines(tree)
    if isinstance(tree, list):
        return [_texts(one, in_figure=in_figure) for one in tree]
    if isinstance(tree, dict):
        inside = in_figure or any(marks <= tree.keys() for marks in _FIGURES)
        return {name: _texts(one, in_figure=inside) for name, one in tree.items()}
    return tree


@cache
def _style() -> str:
    """The icons that Evidently's page shows are characters of a font that comes with it."""
    font = base64.b64encode((_STATIC / "material-ui-icons.woff2").read_bytes()).decode()
    return (
        "@font-face { font-family: 'Material Icons'; "
        f"src: url(data:font/woff2;base64,{font}) format('woff2'); }}\n"
        ".material-icons { font-family: 'Material Icons'; font-size: 24px; line-height: 1; "
        "letter-spacing: normal; text-transform: none; display: inline-block; "
        "white-space: nowrap; direction: ltr; }\n"
        ".center-align { text-align: center; }\n"
        # On a phone a wide figure or table scrolls by itself instead of being cut off.
        f"#{_ROOT} .MuiGrid-root, #{_ROOT} .MuiPaper-root "
        "{ min-width: 0; max-width: 100%; overflow-x: auto; }\n"
        # Drawn light on dark it would cost a cartridge.
        f"@media print {{ #{_ROOT}.inverted {{ filter: invert(1) hue-rotate(180deg); }} }}\n"
    )
