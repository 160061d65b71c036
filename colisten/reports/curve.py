"""A learning curve as a picture that opens anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colisten.reports.page import Page, escape, page

WIDTH, HEIGHT, MARGIN = 640, 320, 48
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6")
_STYLE = "body { font-family: sans-serif; max-width: 720px; margin: 2em auto; }\n"
_STYLE += "h1 { font-size: 1.2em; } .name { margin-right: 1em; }\n"
_STYLE += "\n".join(f".hue{at} {{ color: {hue}; }}" for at, hue in enumerate(COLOURS)) + "\n"


def curve_html(curve: Sequence[Mapping[str, float]], *, title: str, x: str = "step") -> Page:
    """One self-contained page with a line per measured name.

    Args:
        curve: Points; each has `x` and any of the other names. Points of a name may be sparse.
        title: Heading of the page.
        x: Name of the horizontal axis.
    """
    names = sorted({name for point in curve for name in point if name != x})
    lines = {
        name: [(float(point[x]), float(point[name])) for point in curve if name in point]
        for name in names
        if any(name in point for point in curve)
    }
    body = _figure(lines, x) if any(lines.values()) else "<p>No step was measured.</p>"
    return page(title, f"<h1>{escape(title)}</h1>{body}", style=_STYLE)


def _figure(lines: Mapping[str, Sequence[tuple[float, float]]], x: str) -> str:
    points = [point for line in lines.values() for point in line]
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    across, up = (right - left) or 1.0, (high - low) or 1.0

    def place(point: tuple[float, float]) -> str:
        at_x = MARGIN + (point[0] - left) / across * (WIDTH - 2 * MARGIN)
        at_y = HEIGHT - MARGIN - (point[1] - low) / up * (HEIGHT - 2 * MARGIN)
        return f"{at_x:.1f},{at_y:.1f}"

    drawn, legend = [], []
    for number, (name, line) in enumerate(sorted(lines.items())):
        hue = number % len(COLOURS)
        path = " ".join(place(point) for point in line)
        drawn.append(
            f"<polyline points='{path}' fill='none' stroke='{COLOURS[hue]}' stroke-width='2'/>"
        )
        legend.append(f"<span class='name hue{hue}'>{escape(name)}</span>")
    axis = HEIGHT - MARGIN
    return (
        f"<div>{''.join(legend)}</div>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>"
        f"<path d='M{MARGIN},{MARGIN} V{axis} H{WIDTH - MARGIN}' fill='none' stroke='#999'/>"
        f"<text x='4' y='{MARGIN}' font-size='12'>{high:.4g}</text>"
        f"<text x='4' y='{axis}' font-size='12'>{low:.4g}</text>"
        f"<text x='{MARGIN}' y='{HEIGHT - 16}' font-size='12'>{escape(x)} {left:g}</text>"
        f"<text x='{WIDTH - MARGIN}' y='{HEIGHT - 16}' font-size='12' text-anchor='end'>"
        f"{right:g}</text>{''.join(drawn)}</svg>"
    )
