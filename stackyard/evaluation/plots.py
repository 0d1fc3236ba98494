"""Plots as SVG elements, drawn with nothing but the figures: no script, no font, no link."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from stackyard.evaluation.result import Latency
from stackyard.evaluation.statistics import Difference, Figure

WIDTH = 640
LABEL = 170
ROW = 22
RIGHT = 60
SPAN = WIDTH - LABEL - RIGHT
COLORS = ("#3b6ea5", "#c9822b")


def dots(rows: Mapping[str, Sequence[Figure | None]], names: Sequence[str]) -> str:
    """Return a dot with its interval for each figure, from 0 to 1; one colour a column."""
    parts = [_grid(len(rows), [0.0, 0.25, 0.5, 0.75, 1.0], lambda value: f"{value:g}", 0.0, 1.0)]
    for row, (label, figures) in enumerate(rows.items()):
        parts.append(_label(row, label))
        for column, figure in enumerate(figures):
            if figure is None:
                continue
            y = ROW * row + 14 + (column - (len(figures) - 1) / 2) * 6
            parts.append(_whisker(y, figure.value, figure.low, figure.high, COLORS[column], 0, 1))
    return _svg(len(rows), parts, names)


def gains(changes: Mapping[str, Difference]) -> str:
    """Return the change of each measure with its interval, about a line at 0."""
    reach = max((abs(end) for each in changes.values() for end in (each.low, each.high)), default=0)
    reach = max(reach, 0.01)
    ticks = [-reach, 0.0, reach]
    parts = [_grid(len(changes), ticks, lambda value: f"{value:+.2f}", -reach, reach)]
    for row, (label, each) in enumerate(changes.items()):
        parts.append(_label(row, label))
        color = COLORS[0] if each.value >= 0 else COLORS[1]
        parts.append(
            _whisker(ROW * row + 14, each.value, each.low, each.high, color, -reach, reach)
        )
    return _svg(len(changes), parts, ())


def bars(counts: Mapping[str, int]) -> str:
    """Return a bar for each count."""
    most = max([*counts.values(), 1])
    parts = []
    for row, (label, count) in enumerate(counts.items()):
        parts += [_label(row, label), _bar(row, count / most, str(count), COLORS[0])]
    return _svg(len(counts), parts, ())


def seconds(latency: Mapping[str, Latency]) -> str:
    """Return for each stage the median as a bar in front of the 95th percentile."""
    most = max([each.p95 for each in latency.values()] or [0.0]) or 1.0
    parts = []
    for row, (stage, each) in enumerate(latency.items()):
        parts.append(_label(row, stage))
        parts.append(_bar(row, each.p95 / most, f"{each.p50:.3f} / {each.p95:.3f}", "#c3d3e4"))
        parts.append(_bar(row, each.p50 / most, "", COLORS[0]))
    return _svg(len(latency), parts, ())


def _svg(rows: int, parts: Sequence[str], names: Sequence[str]) -> str:
    height = ROW * rows + 26 + 16 * bool(names)
    legend = [
        f'<circle cx="{LABEL + 90 * place}" cy="{height - 8}" r="4" fill="{COLORS[place]}"/>'
        f'<text x="{LABEL + 90 * place + 8}" y="{height - 4}">{escape(name)}</text>'
        for place, name in enumerate(names)
    ]
    inside = "".join([*parts, *legend])
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{inside}</svg>'


def _grid(
    rows: int, ticks: Sequence[float], write: Callable[[float], str], low: float, high: float
) -> str:
    bottom = ROW * rows + 6
    return "".join(
        f'<line x1="{_x(tick, low, high):.1f}" y1="2" x2="{_x(tick, low, high):.1f}" y2="{bottom}" '
        f'stroke="#ddd"/><text x="{_x(tick, low, high):.1f}" y="{bottom + 12}" '
        f'text-anchor="middle" class="tick">{write(tick)}</text>'
        for tick in ticks
    )


def _label(row: int, text: str) -> str:
    return f'<text x="{LABEL - 8}" y="{ROW * row + 18}" text-anchor="end">{escape(text)}</text>'


def _whisker(
    y: float, value: float, low: float, high: float, color: str, least: float, most: float
) -> str:
    start, end, middle = (_x(each, least, most) for each in (low, high, value))
    return (
        f'<line x1="{start:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="{color}" '
        f'stroke-width="2"/><circle cx="{middle:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
    )


def _bar(row: int, share: float, text: str, color: str) -> str:
    length = SPAN * share
    written = (
        f'<text x="{LABEL + length + 6:.1f}" y="{ROW * row + 18}">{text}</text>' if text else ""
    )
    return (
        f'<rect x="{LABEL}" y="{ROW * row + 6}" width="{length:.1f}" height="15" fill="{color}"/>'
        f"{written}"
    )


def _x(value: float, low: float, high: float) -> float:
    return LABEL + SPAN * (value - low) / (high - low)
