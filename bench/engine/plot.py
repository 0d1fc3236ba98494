"""Bars as SVG, small enough to need no library: one picture a figure, one bar a server."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, TOP, RIGHT = 720, 250, 30, 44, 70
OURS_COLOUR, PEER_COLOUR = "#2f6f4f", "#9aa7b1"
# Readable on a white and on a dark page.
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """Return an SVG with a bar for each value, in the order given; the first one is ours."""
    shown = {name: value for name, value in values.items() if not math.isnan(value)}
    if not shown:
        message = f"there is nothing to draw for {title!r}"
        raise ValueError(message)
    longest = max(shown.values()) or 1.0
    height = TOP + ROW * len(shown) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="t" x="8" y="24">{escape(title)}, {escape(unit)}</text>',
    ]
    for index, (name, value) in enumerate(shown.items()):
        parts += _bar(index, name, value, longest)
    return "\n".join([*parts, "</svg>", ""])


def _bar(index: int, name: str, value: float, longest: float) -> Sequence[str]:
    middle = TOP + ROW * index + ROW // 2
    length = max(2.0, (WIDTH - LABEL - RIGHT) * value / longest)
    colour = PEER_COLOUR if index else OURS_COLOUR
    return (
        f'<text x="{LABEL - 10}" y="{middle + 5}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{LABEL}" y="{middle - 9}" width="{length:.1f}" height="18" rx="3" '
        f'fill="{colour}"/>',
        f'<text x="{LABEL + length + 6:.1f}" y="{middle + 5}">{value:.3g}</text>',
    )
