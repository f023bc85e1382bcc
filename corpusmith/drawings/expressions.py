"""The features that action units move: cheeks, nose, eyes, brows and mouth of a drawn face."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from corpusmith.drawings.face import DARK, Colour, Face, Point, disc, mixed, shaded

if TYPE_CHECKING:
    from PIL import ImageDraw

IRIS: Final[Sequence[Colour]] = ((60, 40, 24), (52, 84, 120), (62, 96, 60))


def express(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face, chance: random.Random) -> None:
    """Draw the features of a face as its action units have them; age and who it is show in them too."""
    _cheeks(pen, row, face)
    _nose(pen, face)
    _eyes(pen, row, face, chance)
    _brows(pen, row, face)
    _mouth(pen, row, face)


def _cheeks(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face) -> None:
    line = shaded(face.skin, 0.72)
    if row["age"] in ("middle-aged", "elderly"):
        for side in (-1, 1):
            pen.line([face.at(side * 0.30, 0.22), face.at(side * 0.46, 0.40)], fill=line, width=3)
    if row["age"] == "elderly":
        for height in (-0.52, -0.44):
            pen.line([face.at(-0.34, height), face.at(0.34, height)], fill=line, width=3)
        for side in (-1, 1):
            pen.line([face.at(side * 0.24, 0.07), face.at(side * 0.52, 0.10)], fill=line, width=3)
    raised = face.unit(6)
    if raised:
        blush = mixed(face.skin, (226, 92, 84), 0.30 + 0.15 * raised)
        for side in (-1, 1):
            x, y = face.at(side * 0.58, 0.22)
            disc(pen, x, y, face.width * 0.17, blush)


def _nose(pen: ImageDraw.ImageDraw, face: Face) -> None:
    shade = shaded(face.skin, 0.70)
    tip = 0.20 - 0.05 * face.unit(9)
    pen.line(
        [
            face.at(0.0 + face.turn * 0.6, -0.10),
            face.at(face.turn * 1.1, tip),
            face.at(-0.09 + face.turn * 0.6, tip + 0.02),
        ],
        fill=shade,
        width=5,
        joint="curve",
    )
    wrinkle = face.unit(9)
    if wrinkle:
        lines = shaded(face.skin, 0.50)
        for height in (-0.16, -0.07, 0.02):
            pen.line(
                [face.at(-0.17, height + 0.03), face.at(0.0, height - 0.02), face.at(0.17, height + 0.03)],
                fill=lines,
                width=round(3 + 3 * wrinkle),
            )
        for side in (-1, 1):
            pen.line(
                [face.at(side * 0.16, tip), face.at(side * 0.46, tip + 0.24)], fill=lines, width=round(3 + 3 * wrinkle)
            )


def _eyes(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face, chance: random.Random) -> None:
    iris = chance.choice(IRIS)
    wide = 0.225 * face.eye
    opened = (0.12 + 0.07 * face.unit(5)) * face.eye
    if face.unit(7):
        opened = (0.12 - 0.05 * face.unit(7)) * face.eye
    lower = 1 - 0.75 * face.unit(6)
    lid = 0.75 * face.unit(43)
    for side in (-1, 1):
        x, y = face.at(side * 0.42, -0.08)
        w, h = face.width * wide, face.height * opened
        pen.ellipse((x - w, y - h, x + w, y + h), fill=(252, 252, 250))
        disc(pen, x + face.turn * face.width * 0.3, y + h * (0.25 if lid else 0.0), min(h, w) * 0.62 + 3, iris)
        disc(pen, x + face.turn * face.width * 0.3, y + h * (0.25 if lid else 0.0), min(h, w) * 0.34 + 1, DARK)
        if lower < 1:
            pen.chord((x - w - 3, y - h - 3, x + w + 3, y + h + 3), 20, 160, fill=face.skin)
            pen.arc(
                (x - w, y - h * 0.6, x + w, y + h * 1.6 * (0.5 + lower)),
                200,
                340,
                fill=shaded(face.skin, 0.6),
                width=4,
            )
        if lid:
            cover = y - h + 2 * h * lid
            pen.rectangle((x - w - 4, y - h - 5, x + w + 4, cover), fill=shaded(face.skin, 0.92))
            pen.line([(x - w, cover), (x + w, cover + side * 0 + h * 0.3)], fill=DARK, width=6)
        else:
            pen.arc((x - w, y - h, x + w, y + h), 190, 350, fill=DARK, width=6 if row["who"] == "woman" else 4)


def _brows(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face) -> None:
    inner = -0.30 - 0.17 * face.unit(1) + 0.16 * (face.unit(4) if not face.unit(1) else 0.0) + 0.06 * face.unit(9)
    outer = -0.29 - 0.13 * face.unit(2) - 0.05 * (face.unit(4) if not face.unit(1) else 0.0)
    if face.unit(1) and not face.unit(2):
        outer += 0.10 * face.unit(1)
    if face.unit(1) and face.unit(4) and face.unit(2):
        inner, outer = inner - 0.05 * face.unit(1), outer + 0.12 * face.unit(2)
    near = 0.17 - 0.07 * face.unit(4)
    arch = -0.05 - (0.05 if face.unit(1) and face.unit(2) and not face.unit(4) else 0.0)
    colour = shaded(face.hair, 0.62) if row["hair_colour"] != "grey" else (96, 96, 98)
    if sum(colour) > 1.1 * sum(face.skin) or sum(abs(a - b) for a, b in zip(colour, face.skin, strict=True)) < 110:
        colour = shaded(face.skin, 0.30)
    width = round(face.height * (0.115 if row["who"] == "man" else 0.095))
    for side in (-1, 1):
        a, b, c = (
            face.at(side * near, inner),
            face.at(side * 0.42, (inner + outer) / 2 + arch),
            face.at(side * 0.68, outer),
        )
        pen.line([a, b, c], fill=colour, width=width, joint="curve")
    if face.unit(4) and face.unit(5) and not face.unit(1):
        for side in (-1, 1):
            pen.line([face.at(side * 0.05, -0.34), face.at(side * 0.05, -0.20)], fill=shaded(face.skin, 0.55), width=4)


def _mouth(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face) -> None:
    corner = -0.17 * face.unit(12) + 0.15 * face.unit(15) + 0.05 * face.unit(20) + 0.02 * face.unit(16)
    half = 0.37 + 0.12 * face.unit(12) + 0.13 * face.unit(20) - 0.06 * face.unit(17) - 0.05 * face.unit(22)
    middle = 0.52 - 0.05 * face.unit(17)
    if face.unit(26, 27) and not face.unit(12, 20):
        half -= 0.12 * face.unit(26, 27)
    above = (
        0.10 * face.unit(10)
        + 0.04 * face.unit(12) * bool(face.unit(25))
        + 0.05 * face.unit(22)
        + 0.05 * face.unit(26, 27)
    )
    below = (
        0.09 * face.unit(25) + 0.10 * face.unit(22) + 0.06 * face.unit(16) + 0.14 * face.unit(26) + 0.30 * face.unit(27)
    )
    lips = mixed(face.skin, (176, 40, 52), 0.62 if row["who"] == "woman" else 0.34)
    lips = shaded(lips, 0.78)
    thick = round(face.height * (0.06 if face.unit(23) else 0.085))
    upper = _curve(face, half, middle, corner, -above)
    lower = _curve(face, half, middle, corner, below)
    if above + below > 0.03:
        bared = face.unit(22, 10) or (face.unit(12) and face.unit(25)) or face.unit(20) * bool(face.unit(26))
        pen.polygon(upper + lower[::-1], fill=(250, 248, 242) if bared else (62, 16, 20))
        if face.unit(12) and face.unit(26):
            pen.polygon(
                _curve(face, half * 0.86, middle + below * 0.55, corner * 0.6, 0)
                + _curve(face, half * 0.86, middle, corner * 0.9, below)[::-1],
                fill=(120, 24, 30),
            )
        pen.line(lower, fill=lips, width=thick, joint="curve")
    pen.line(upper, fill=lips if above + below > 0.03 else shaded(lips, 0.72), width=thick, joint="curve")
    if face.unit(17):
        x, y = face.at(0.0, 0.80)
        pen.arc(
            (x - face.width * 0.2, y - 8, x + face.width * 0.2, y + 14),
            190,
            350,
            fill=shaded(face.skin, 0.62),
            width=5,
        )
    if face.unit(23) and not face.unit(25):
        pen.line(
            [face.at(-half * 0.7, middle + 0.1), face.at(half * 0.7, middle + 0.1)],
            fill=shaded(face.skin, 0.66),
            width=4,
        )


def _curve(face: Face, half: float, middle: float, corner: float, bulge: float) -> list[Point]:
    """A lip from corner to corner: its ends ``corner`` lower than its middle, which bulges down by ``bulge``."""
    places = [place / 5 for place in range(-5, 6)]
    return [face.at(half * t, middle - corner * 0.45 + corner * t * t * 1.45 + bulge * (1 - t * t)) for t in places]
