"""Somebody else's edits as a release of this corpus: normalised, measured, validated and scored like our own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.edits import diffseg, scores
from corpusmith.assets.edits.card import CARD
from corpusmith.assets.edits.settings import Edits
from corpusmith.assets.resources import Workshop
from corpusmith.curate import masks
from corpusmith.curate.balance import assign_splits
from corpusmith.curate.images import PROBLEMS, SUFFIXES, opened
from corpusmith.errors import UserError
from corpusmith.models.images import png
from corpusmith.release import manifest
from corpusmith.release.inputs import CardText, Release, Source, Stage
from corpusmith.release.lineage import Lineage
from corpusmith.release.manifest import Manifest
from corpusmith.release.write import write_release
from corpusmith.settings import shared
from corpusmith.validation.schema import EDITS, EDITS_REJECTED, TURN, schema
from corpusmith.work.plan import KEY_HEX

IMPORTED: Final = "imported"
SOMEBODY: Final = "somebody"
"""The editor of edits that do not say who made them."""
HALF: Final = 128  # of a mask's grey levels, from which a pixel counts as edited
ROLES: Final = {
    "original": ("original", "originals", "source", "input", "base"),
    "edited": ("edited", "edit", "edits", "inpainted", "result", "output", "tampered", "fake"),
    "mask": ("mask", "masks", "gt", "region"),
}
"""What folders, or the ends of file names, are called."""
WHOLE: Final = 1 << 20
STAGES: Final = (Stage("imported", "Somebody else's edits, brought into this corpus's form; none is left out."),)


@dataclass
class Notes:
    """What was decided while reading, counted for the release."""

    grey: int = 0  # mask pixels that were neither 0 nor 255
    masks: int = 0
    resized: int = 0  # originals brought to the size of their edit
    resized_masks: int = 0
    unchanged: int = 0  # edits that are their original within their mask
    incomplete: list[str] = field(default_factory=list)
    leaks: list[float] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """The same in words."""
        said = []
        if self.grey:
            said.append(f"{self.masks:,} masks with grey levels: a threshold of {HALF} decided {self.grey:,} pixels")
        if self.resized:
            said.append(f"{self.resized:,} originals were brought to the size of their edit")
        if self.resized_masks:
            said.append(f"{self.resized_masks:,} masks were brought to the size of their edit")
        if self.unchanged:
            said.append(f"{self.unchanged:,} edits are the same as their original within their mask")
        if self.incomplete:
            said.append(
                f"{len(self.incomplete):,} names were left out, for one of original, edited and mask is missing: "
                f"{', '.join(self.incomplete[:3])}{', …' if len(self.incomplete) > 3 else ''}"
            )
        if self.leaks:
            said.append(
                f"outside their masks the edits differ from the originals by {np.mean(self.leaks):.2f} grey levels in "
                f"the mean, {max(self.leaks):.2f} at the most"
            )
        return said


def triples(workshop: Workshop, folder: Path, into: Path) -> Manifest:
    """Import triples of original, edited image and mask, with prompts or without.

    They lie in folders (``original/``, ``edited/``, ``mask/``, files of one name) or side by side (``x.png``,
    ``x_edited.png``, ``x_mask.png``); prompts in ``prompts.json`` ({name: prompt}) or ``x.txt``. Images keep their
    pixels as PNG, masks become black and white; what an edit changed outside its mask is measured, not put back. Raises
    UserError.
    """
    _check_place(folder, into)
    notes = Notes()
    rows = [_triple(name, parts, notes) for name, parts in _triples(folder, notes)]
    return _released(workshop, folder, into, rows, [SOMEBODY], notes)


def pairs(workshop: Workshop, folder: Path, into: Path) -> Manifest:
    """Import pairs as DiffSeg30k has them (`diffseg` beside this): images and label maps, neither bases nor turns."""
    _check_place(folder, into)
    notes = Notes()
    named = diffseg.labels(folder)
    found = [_pair(pair, named) for pair in diffseg.pairs(folder)]
    highest = max(int(np.max(masks.opened(row["mask"]["bytes"]))) for row in found)
    editors = [named.get(label, f"editor {label}") for label in range(1, max(highest, *named, 1) + 1)]
    return _released(workshop, folder, into, found, editors, notes)


def _check_place(folder: Path, into: Path) -> None:
    """Raises UserError where there is no folder to read, or where the release would be written over something else."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: expected one of images" if folder.exists() else f"no folder {folder}")
    here, there = folder.resolve(), into.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UserError(f"{into} and {folder} lie in one another: name another folder with --to")
    if into.exists() and not _is_import(into):
        raise UserError(f"{into} is there and holds no import: name another folder with --to")


def _is_import(folder: Path) -> bool:
    return (folder / manifest.NAME).is_file() and IMPORTED in manifest.read(folder).counts.get("made", {})


def _released(
    workshop: Workshop, folder: Path, into: Path, rows: list[dict[str, Any]], editors: list[str], notes: Notes
) -> Manifest:
    """The rows as a release, with baselines."""
    settings: Edits = workshop.settings.of("edits").model_copy(update={"editors": editors})  # type: ignore[assignment]
    here = workshop.settings.model_copy(update={"edits": settings})
    table = _with_splits(pl.DataFrame(rows, schema(EDITS)), settings)
    digest = hashlib.sha256("".join(sorted(table["image_sha256"] + table["mask_sha256"])).encode()).hexdigest()
    return write_release(
        Release(
            corpus="edits",
            version=settings.version,
            text=_card(editors),
            rows=table.lazy(),
            rejected=pl.LazyFrame(schema=schema(EDITS_REJECTED)),
            scores=scores.baselines(table, workshop.make, settings).collect(),
            made={IMPORTED: table.height},
            makers={IMPORTED: {"model": "somebody else", "revision": "unknown"}},
            params=shared(here, "edits"),
            sources=[Source(folder.name, digest, 0, tuple(notes.sentences()))],
            lineage=Lineage(parts=("scene", "base_sha256", "turns", "dropped")),
        ),
        into,
    )


def _card(editors: list[str]) -> CardText:
    return replace(
        CARD,
        title="Imported edits",
        tagline="Somebody else's edits in the form of this corpus, with their leak measured.",
        description=(
            "Edits that others made, in the form of corpusmith's edits: images and label maps and, where they are "
            "known, the image before and the prompt. Pixels are theirs: what an edit changed outside its mask is in "
            "`leak`, and was not put back. `mask` says of each pixel who painted it: 0 nobody, k the k-th editor."
        ),
        labels=tuple(editors),
        origins=(IMPORTED,),
        strips=None,
        stages=STAGES,
        label_columns={"operation": CARD.label_columns["operation"], "kind": (IMPORTED,)},
    )


def _with_splits(rows: pl.DataFrame, settings: Edits) -> pl.DataFrame:
    """The rows, those without a split in one by their base, or their image. Raises UserError where they are too few."""
    shares = settings.splits
    fractions = {"train": 1 - shares.validation - shares.test, "validation": shares.validation, "test": shares.test}
    grouped = rows.select(emotion="editor", group=pl.coalesce("base_sha256", "image_sha256"))
    placed = rows.with_columns(split=pl.coalesce("split", assign_splits(grouped, fractions)))
    if {"train", "test"} - set(placed["split"]):
        raise UserError(f"{rows.height} edits are too few to train on some and test others: import more of them")
    return placed


def _triples(folder: Path, notes: Notes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each triple by its name: original, edited, mask (paths) and prompt. Raises UserError where there is none."""
    prompts = _prompts(folder / "prompts.json")
    found: dict[str, dict[str, Any]] = {}
    endings = {ending for of in SUFFIXES.values() for ending in of}
    for path in sorted(file for file in folder.rglob("*") if file.suffix.lower() in endings):
        name, role = _role(path.relative_to(folder))
        found.setdefault(name, {}).setdefault(role, path)
    whole = {name: parts for name, parts in found.items() if {"edited", "mask", "original"} <= parts.keys()}
    if not whole:
        raise UserError(
            f"{folder} has no triples: expected original/, edited/ and mask/ with files of one name, or x.png, "
            f"x_edited.png and x_mask.png beside each other; found {len(found):,} names, of which none has all three"
        )
    notes.incomplete += sorted(found.keys() - whole.keys())
    for name, parts in whole.items():
        text = parts["original"].with_suffix(".txt")
        prompt = prompts.get(name) or (text.read_text(encoding="utf-8").strip() if text.is_file() else None)
        yield name, {**parts, "prompt": prompt}


def _prompts(path: Path) -> dict[str, str]:
    """What prompts.json says, by name. Raises UserError: it is no table of texts."""
    said = diffseg.table_in(path)
    if not all(isinstance(prompt, str) for prompt in said.values()):
        raise UserError(f'{path}: expected {{"name": "prompt", …}}')
    return said


def _role(path: Path) -> tuple[str, str]:
    """What a file is of, by its folder or by the end of its name: name, role."""
    for role, names in ROLES.items():
        if path.parent.name.lower() in names:
            return path.stem, role
        stem, _, end = path.stem.rpartition("_")
        if stem and end.lower() in names:
            return stem, role
    return path.stem, "original"


def _triple(name: str, parts: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    edited, original = _image(parts["edited"]), _image(parts["original"])
    if original.shape != edited.shape:
        original = _resized(original, edited.shape)
        notes.resized += 1
    region = _region(parts["mask"], edited.shape, notes)
    off = np.abs(edited.astype(np.int16) - original)
    leak = float(off[~region].mean()) if not region.all() else 0.0
    notes.leaks.append(leak)
    notes.unchanged += not off[region].any()
    before, mask = _encoded(png(original)), _encoded(masks.png(region))
    image = _encoded(png(edited))
    plan = {"before": before["sha256"], "image": image["sha256"], "prompt": parts["prompt"], "region": mask["sha256"]}
    turn = {
        **dict.fromkeys(field.name for field in TURN.fields),
        "image": {"bytes": image["bytes"], "path": f"{name}.png"},
        "image_sha256": image["sha256"],
        "mask": {"bytes": mask["bytes"], "path": f"{name}.region.png"},
        "prompt": parts["prompt"],
        "editor": SOMEBODY,
        "area": float(region.mean()),
        "leak": leak,
        "change": float(off[region].mean()),
    }
    label_map = _encoded(masks.png(region.astype(np.uint8)))
    made = {"editor": SOMEBODY, "editors": [SOMEBODY], "turn_count": 1, "leak": leak, "source": name}
    return _row(plan, image, label_map, edited.shape, **made, base=before, turns=[turn])


def _pair(pair: Mapping[str, Any], named: Mapping[int, str]) -> dict[str, Any]:
    try:
        label_map = masks.opened(pair["mask"])
    except ValueError as error:
        raise UserError(f"the mask of {pair['name']}: {error}") from None
    there = [int(label) for label in np.unique(label_map) if label]
    said = pair.get("editors") if named else None  # without names of the labels those of the edits say nothing
    editors = list(said or (named.get(label, f"editor {label}") for label in there))
    image, mask = _encoded(pair["image"]), _encoded(pair["mask"])
    plan = {"image": image["sha256"], "mask": mask["sha256"]}
    made = {
        "editor": editors[-1] if editors else SOMEBODY,
        "editors": editors,
        "operations": pair.get("operations"),
        "turn_count": len(editors),
        "source": pair["name"],
        "split": pair["split"],
    }
    return _row(plan, image, mask, label_map.shape, **made)


def _row(
    plan: Mapping[str, Any],
    image: Mapping[str, Any],
    mask: Mapping[str, Any],
    shape: tuple[int, ...],
    base: Mapping[str, Any] | None = None,
    turns: list[dict[str, Any]] | None = None,
    **known: Any,
) -> dict[str, Any]:
    """A row of EDITS; what nobody says is null."""
    said = json.dumps(plan, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    key = hashlib.blake2b(IMPORTED.encode() + b"\0" + said.encode(), digest_size=KEY_HEX // 2).hexdigest()
    own = {"key": key, "plan": said, "fingerprint": IMPORTED}
    return {
        **dict.fromkeys(EDITS),
        **own,
        "kind": IMPORTED,
        "scene": (base or image)["sha256"][:KEY_HEX],
        "width": shape[1],
        "height": shape[0],
        "image": {"bytes": image["bytes"], "path": f"{key}.png"},
        "image_sha256": image["sha256"],
        "mask": {"bytes": mask["bytes"], "path": f"{key}.mask.png"},
        "mask_sha256": mask["sha256"],
        **(
            {"base": {"bytes": base["bytes"], "path": f"{key}.base.png"}, "base_sha256": base["sha256"]} if base else {}
        ),
        "turns": [{**turn, **own} for turn in turns or []],
        "dropped": [],
        **known,
    }


def _encoded(data: bytes) -> dict[str, Any]:
    return {"bytes": data, "sha256": hashlib.sha256(data).hexdigest()}


def _image(path: Path) -> Any:
    found = opened(path.read_bytes(), WHOLE)
    if found.pixels is None:
        raise UserError(f"{path}: {PROBLEMS[str(found.problem)]}")
    return np.asarray(found.pixels)


def _region(path: Path, shape: tuple[int, ...], notes: Notes) -> Any:
    """A mask as it comes, of colours or grey levels, at the size of its edit: which pixels were edited."""
    grey = _on_black(path).max(axis=2)
    between = int(((grey > 0) & (grey < 255)).sum())
    notes.grey += between
    notes.masks += between > 0
    region = grey >= HALF
    if not region.any():
        raise UserError(f"{path}: the mask is empty: its brightest pixel is {grey.max()}, expected {HALF} or more")
    if region.shape == shape[:2]:
        return region
    notes.resized_masks += 1
    return masks.resized(region, (shape[1], shape[0]))


def _on_black(path: Path) -> Any:
    """A mask's pixels, (h, w, 3); what is transparent is not marked."""
    from PIL import Image

    plain = _image(path)  # bounded, and of a format that is read
    with Image.open(path) as found:
        if "A" not in found.getbands() and "transparency" not in found.info:
            return plain
        shown = found.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", shown.size, "black"), shown).convert("RGB"))


def _resized(pixels: Any, shape: tuple[int, ...]) -> Any:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((shape[1], shape[0]), Image.Resampling.LANCZOS))
