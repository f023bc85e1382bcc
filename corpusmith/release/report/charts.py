"""Small charts as SVG that takes its colours from the page around it, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 190, 14, 40
LABEL_GAP = 15  # between two labels in the margin
SMALL_WIDTH, SMALL_HEIGHT, MARGIN = 200, 130, 22  # of one chart among many


@dataclass(frozen=True)
class Point:
    """A measured value with its interval; x and all others from 0 to 1."""

    x: float
    value: float
    low: float
    high: float
    says: str


@dataclass(frozen=True)
class Curve:
    """Points in the order of x, under a name."""

    name: str
    points: Sequence[Point]


def line_chart(curves: Sequence[Curve], references: Sequence[tuple[str, float]], x_title: str, y_title: str) -> Markup:
    """Lines with their intervals as bands, and references as dashed lines; both axes run from 0 to 1.

    Names stand in the margin beside what they name, moved apart where they would overlap.
    """
    ends = [(curve.name, curve.points[-1].value, f"c{number}") for number, curve in enumerate(curves)]
    labels = _apart([*ends, *((name, value, "reference") for name, value in references)])
    parts = [
        _grid(x_title, y_title),
        *(Markup('<path class="reference" d="M{} {}H{}"/>').format(LEFT, _y(v), WIDTH - RIGHT) for _, v in references),
        *(_band(curve, f"c{number}") for number, curve in enumerate(curves)),
        *(_line(curve, f"c{number}") for number, curve in enumerate(curves)),
        *(_label(name, value, place, kind) for name, value, place, kind in labels),
    ]
    named = ", ".join([curve.name for curve in curves] + [name for name, _ in references])
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{} by {}: {}">{}</svg>').format(
        WIDTH, HEIGHT, y_title, x_title, named, Markup("\n").join(parts)
    )


def small_chart(
    points: Sequence[Point], x_title: str, y_title: str, reference: tuple[float, float] = (0.0, 1.0)
) -> Markup:
    """One line with its interval as a band, both axes from 0 to 1; dashed from y to y: the reference.

    That is the diagonal, on which both are equal, where nothing else is said.
    """

    def at(x: float, y: float) -> str:
        across, up = SMALL_WIDTH - MARGIN - 4, SMALL_HEIGHT - MARGIN - 6
        return f"{MARGIN + x * across:.1f} {6 + (1 - y) * up:.1f}"

    dots = []
    for point in points:
        x, y = at(point.x, point.value).split()
        dot = Markup('<circle class="dot c0" cx="{}" cy="{}" r="3"><title>{}</title></circle>')
        dots.append(dot.format(x, y, point.says))
    there = [at(point.x, point.high) for point in points]
    back = [at(point.x, point.low) for point in reversed(points)]
    parts = [
        Markup('<path class="grid" fill="none" d="M{}L{}L{}"/>').format(at(0, 1), at(0, 0), at(1, 0)),
        Markup('<path class="reference" d="M{}L{}"/>').format(at(0, reference[0]), at(1, reference[1])),
        Markup('<path class="band c0" d="M{}Z"/>').format("L".join(there + back)),
        Markup('<path class="line c0" d="M{}"/>').format("L".join(at(point.x, point.value) for point in points)),
        *dots,
        Markup('<text class="title" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            SMALL_WIDTH / 2 + MARGIN / 2, SMALL_HEIGHT - 5, x_title
        ),
        Markup('<text class="title" transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            SMALL_HEIGHT / 2, y_title
        ),
    ]
    return _small(f"{y_title} by {x_title}", parts)


def histogram(bins: Sequence[tuple[float, float, int, int]]) -> Markup:
    """Bars of (low, high, kept, rejected), the rejected on top; the least and the largest value stand below."""
    most = max(kept + rejected for _, _, kept, rejected in bins) or 1
    width, room = (SMALL_WIDTH - 2) / len(bins), SMALL_HEIGHT - MARGIN
    parts = []
    for number, (low, high, kept, rejected) in enumerate(bins):
        up, more = (round(room * rows / most, 1) for rows in (kept, rejected))
        says = f"{low:.3g} to {high:.3g}: {kept:,} kept, {rejected:,} rejected"
        bar = Markup('<g><title>{}</title><path class="kept" d="{}"/><path class="refused" d="{}"/></g>')
        left = 1 + number * width
        parts.append(bar.format(says, _bar(left, width, room, up), _bar(left, width, room - up, more)))
    for x, anchor, value in ((1, "start", bins[0][0]), (SMALL_WIDTH - 1, "end", bins[-1][1])):
        tick = Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{:.3g}</text>')
        parts.append(tick.format(x, SMALL_HEIGHT - 6, anchor, value))
    return _small("how many rows have which value", parts)


def _bar(left: float, width: float, bottom: float, height: float) -> str:
    return f"M{left:.1f} {bottom:.1f}v{-height:.1f}h{width - 1:.1f}v{height:.1f}Z"


def _small(says: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        SMALL_WIDTH, SMALL_HEIGHT, says, Markup("\n").join(parts)
    )


def _grid(x_title: str, y_title: str) -> Markup:
    parts = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        line = Markup(
            '<path class="grid" d="M{} {}H{}"/><text class="tick" x="{}" y="{}" text-anchor="end">{:.1f}</text>'
        )
        parts.append(line.format(LEFT, _y(tick), WIDTH - RIGHT, LEFT - 8, _y(tick) + 4, tick))
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        line = Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{:.0%}</text>')
        parts.append(line.format(_x(tick), HEIGHT - BOTTOM + 18, tick))
    title = Markup('<text class="title" x="{}" y="{}" text-anchor="middle">{}</text>')
    parts.append(title.format(_x(0.5), HEIGHT - 4, x_title))
    upright = Markup('<text class="title" transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>')
    parts.append(upright.format(_y(0.5), y_title))
    return Markup("\n").join(parts)


def _band(curve: Curve, kind: str) -> Markup:
    there = [f"{_x(point.x)} {_y(point.high)}" for point in curve.points]
    back = [f"{_x(point.x)} {_y(point.low)}" for point in reversed(curve.points)]
    return Markup('<path class="band {}" d="M{}Z"/>').format(kind, "L".join(there + back))


def _line(curve: Curve, kind: str) -> Markup:
    path = "L".join(f"{_x(point.x)} {_y(point.value)}" for point in curve.points)
    dots = [
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>').format(
            kind, _x(point.x), _y(point.value), point.says
        )
        for point in curve.points
    ]
    return Markup('<path class="line {}" d="M{}"/>{}').format(kind, path, Markup("").join(dots))


def _label(name: str, value: float, place: float, kind: str) -> Markup:
    edge = WIDTH - RIGHT
    return Markup(
        '<path class="leader" d="M{} {}L{} {}"/><text class="label {}" x="{}" y="{}">{} <tspan>{:.2f}</tspan></text>'
    ).format(edge + 3, _y(value), edge + 12, place - 4, kind, edge + 15, place, name, value)


def _apart(labels: Sequence[tuple[str, float, str]]) -> list[tuple[str, float, float, str]]:
    """Labels with the height they stand at: as near to their value as the one above them lets them."""
    placed: list[tuple[str, float, float, str]] = []
    lowest = HEIGHT - BOTTOM
    above = -1.0e9
    ordered = sorted(labels, key=lambda label: -label[1])
    for number, (name, value, kind) in enumerate(ordered):
        most = lowest - (len(ordered) - 1 - number) * LABEL_GAP
        above = min(max(_y(value) + 4, above + LABEL_GAP), most)
        placed.append((name, value, above, kind))
    return placed


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)
