"""The catalog: what it must name, that what it names is there, and that a fault in it is found by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.errors import ModelError
from corpusmith.models.catalog import DIFFUSION, ROLES, catalog, entry, of_role

PUBLISHED = (
    *("sd-1.5", "sd-2.1", "sdxl", "sdxl-turbo", "sd-3.5-medium", "sd-3.5-large", "flux.1-schnell", "flux.1-dev"),
    *(
        "pixart-sigma",
        "kandinsky-2.2",
        "kolors",
        "hunyuan-dit",
        "sana",
        "playground-2.5",
        "stable-cascade",
        "wuerstchen",
    ),
    *("lumina-2", "qwen-image", "auraflow"),
)


def test_the_published_families_and_twelve_house_slots_are_there():
    images = {found.name: found for found in of_role("text_to_image")}
    assert set(PUBLISHED) <= set(images)
    assert len([found for found in images.values() if found.is_house]) == 12
    assert all(of_role(role) for role in ROLES)


def test_the_eight_editors_say_how_the_edit_is_made():
    editors = [found for found in of_role("inpaint") if not found.is_house]
    assert len(editors) == 8
    assert all(found.edit and found.note for found in editors)


def test_every_class_that_is_named_exists_and_opens_its_role():
    import diffusers
    import transformers

    from corpusmith.models import networks
    from corpusmith.models.diffusion import AUTO, supported

    for found in catalog().values():
        home = diffusers if found.role in DIFFUSION else networks if hasattr(networks, found.pipeline) else transformers
        opened = getattr(home, found.pipeline, None)
        assert opened is not None, found
        placeholder = getattr(opened, "_backends", None)  # a class whose packages are not installed
        if found.role in AUTO and found.edit != "masked denoising" and not (found.unsupported or placeholder):
            assert found.pipeline in supported(found.role), found
        if found.scheduler:
            assert hasattr(diffusers, found.scheduler.name), found


def test_no_two_house_slots_are_run_alike():
    def runs(found):
        return (
            found.repository,
            found.variant,
            found.steps,
            found.guidance,
            str(found.arguments),
            str(found.scheduler),
        )

    slots = [runs(found) for found in of_role("text_to_image") if found.is_house]
    assert len(set(slots)) == len(slots)


@pytest.mark.parametrize(
    ("asked", "near"), [("sdxl-turb", "sdxl-turbo"), ("flux.1-schnel", "flux.1-schnell"), ("SDXL", "sdxl")]
)
def test_an_unknown_name_is_answered_with_the_near_one(asked, near):
    with pytest.raises(ModelError, match=f"unknown model '{asked}': did you mean {near}"):
        entry(asked)


def test_a_name_that_is_near_to_nothing_points_to_the_list():
    with pytest.raises(ModelError, match="corpusmith models list"):
        entry("0000")


GOOD = {
    "repository": "org/name",
    "pipeline": "FluxPipeline",
    "size": "64",
    "steps": "4",
    "licence": "mit",
    "vram_gb": "1",
}


def written(tmp_path: Path, **fields: str | None) -> Path:
    lines = [f"    {name}: {value}" for name, value in {**GOOD, **fields}.items() if value is not None]
    path = tmp_path / "catalog.yaml"
    path.write_text("\n".join(["text_to_image:", "  tiny:", *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"licence": "wtfpl"}, r":2: tiny: licence 'wtfpl' is not known"),
        ({"step": "4"}, r":9: tiny.step: is not a field; did you mean steps\?"),
        ({"vram_gb": "lots"}, r":8: tiny.vram_gb: Input should be a valid number, found 'lots'"),
        ({"pipeline": None}, r":2: tiny.pipeline: Field required"),
        ({"steps": None}, r":2: tiny: an entry of the role text_to_image needs size and steps"),
        ({"edit": "masked denoising"}, r":2: tiny: edit belongs to every inpaint entry"),
        ({"size": "63"}, r":5: tiny.size: .* multiple of 8"),
        ({"cpu_offload": "disk"}, r":9: tiny.cpu_offload: .*'none', 'model' or 'sequential'"),
        ({"revision": "'a b'"}, r":9: tiny.revision"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path, fields, said):
    with pytest.raises(ModelError, match=r"catalog\.yaml" + said):
        catalog(written(tmp_path, **fields))


def test_every_fault_is_told_at_once(tmp_path):
    with pytest.raises(ModelError) as told:
        catalog(written(tmp_path, step="4", vram_gb="lots"))
    assert len(str(told.value).splitlines()) == 2


def test_a_name_stands_once(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text() + "language:\n  tiny: {}\n")
    with pytest.raises(ModelError, match=":10: tiny: the name is taken by a text_to_image model"):
        catalog(path)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("  tiny: {}\n", ":9: tiny: stands here again, after line 2"),
        ("    steps: 8\n", ":9: tiny.steps: stands here again, after line 6"),
        ("    arguments: {a: 1, a: 2}\n", ":9: tiny.arguments.a: stands here again, after line 9"),
        ("text_to_image: {}\n", ":9: text_to_image: stands here again, after line 1"),
    ],
)
def test_what_stands_twice_is_named_with_both_lines(tmp_path, again, said):
    path = written(tmp_path)
    path.write_text(path.read_text() + again)
    with pytest.raises(ModelError, match=said):
        catalog(path)


def test_what_is_no_catalog_is_said_to_be_none(tmp_path):
    path = tmp_path / "catalog.yaml"
    path.write_text("- a\n- list\n")
    with pytest.raises(ModelError, match="expected roles, each with models by name"):
        catalog(path)
