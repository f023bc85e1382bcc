"""The class table is that of the reference lists, and lists in another order are never taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from corpusmith.assets.imagenet import classes, labels
from corpusmith.drawings import objects
from corpusmith.errors import SettingsError, SourceError


@pytest.fixture
def lists(shared_data) -> Path:
    return shared_data / "imagenet_labels"


def test_the_table_has_a_thousand_classes_in_the_order_of_wnids_each_with_a_name_of_its_own():
    table = classes.table()
    assert table["index"].to_list() == list(range(1_000))
    assert table["wnid"].to_list() == sorted(set(table["wnid"]))
    assert table["name"].str.to_lowercase().n_unique() == 1_000
    assert not table["name"].str.contains(r"^\s|\s$|[{}]").any()


def test_the_table_is_what_is_made_from_the_reference_lists(lists):
    assert classes.made_from(lists).equals(classes.table())


def test_what_clip_calls_alike_is_told_apart_by_the_synsets_words():
    names = dict(classes.table().select("index", "name").rows())
    assert [names[index] for index in (657, 744, 836, 837)] == ["missile", "projectile", "sunglass", "sunglasses"]


def test_names_that_stand_twice_in_other_peoples_lists_are_told_apart_too():
    names = ["crane", "crane", "maillot", "maillot", "bass", "bass"]
    words = ["crane bird", "crane", "maillot", "maillot, tank suit", "bass", "bass"]
    wnids = [f"n0000000{number}" for number in range(6)]
    assert classes.named(names, words, wnids) == [
        "crane bird",
        "crane",
        "maillot",
        "maillot (tank suit)",
        "bass (n00000004)",
        "bass (n00000005)",
    ]


def test_drawn_classes_are_called_here_as_where_they_are_drawn():
    drawn = classes.chosen("drawn")
    said = objects.words()["classes"]
    assert {name: (said[name]["index"], said[name]["wnid"]) for name in said} == {
        row["name"]: (row["index"], row["wnid"]) for row in drawn.to_dicts()
    }


def index_of(pairs: list[tuple[str, str]], first: int = 0) -> str:
    return json.dumps({str(number): list(pair) for number, pair in enumerate(pairs, first)})


PAIRS = list(classes.table().select("wnid", "name").rows())
DEVKIT = [PAIRS[number * 7 % 1_000] for number in range(1, 1_001)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one_based.json", index_of(DEVKIT, 1)),
        ("zero_based.json", index_of(DEVKIT)),
        ("map_clsloc.txt", "\n".join(f"{wnid} {n} {name}" for n, (wnid, name) in enumerate(DEVKIT, 1))),
    ],
)
def test_a_list_in_the_order_of_the_devkit_is_refused_and_says_why(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=rf"{name} numbers its classes in another order.*devkit.*of 1,000 classes"):
        classes.in_order(tmp_path / name)


def test_the_devkit_lists_that_lie_about_are_refused(lists, tmp_path):
    for name in ("TRAP_ilsvrc_devkit_order_class_index.json", "map_clsloc.txt"):
        with pytest.raises(SourceError, match="class 0 is n02119789, expected n01440764"):
            classes.in_order(lists / name)
    for name in ("LOC_synset_mapping.txt", "clip_imagenet_classes.json"):
        shutil.copy(lists / name, tmp_path / name)
    shutil.copy(lists / "TRAP_ilsvrc_devkit_order_class_index.json", tmp_path / "imagenet_class_index.json")
    with pytest.raises(SourceError, match="devkit"):
        classes.made_from(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", index_of(PAIRS, 1), "numbered from 1 to 1000, expected"),
        ("a.json", index_of(PAIRS[:999]), "numbered from 0 to 998"),
        ("a.json", "{}", "numbered from nothing"),
        ("a.json", '["tench"]', "expected a table such as"),
        ("a.json", "{", "is no JSON"),
        ("a.txt", "\n".join(wnid for wnid, _ in PAIRS[1:]), "expected 1,000 different wnids"),
        ("a.txt", "", "found 0"),
    ],
)
def test_a_list_of_another_form_is_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=said):
        classes.in_order(tmp_path / name)


def test_lists_without_numbers_are_known_by_their_order_whichever_names_they_use(lists):
    order = classes.table()["wnid"].to_list()
    keras = json.loads((lists / "imagenet_class_index.json").read_text())
    for names in (
        [keras[str(index)][1] for index in range(1_000)],  # crane and maillot twice
        json.loads((lists / "clip_imagenet_classes.json").read_text()),
        json.loads((lists / "imagenet-simple-labels.json").read_text()),
    ):
        assert labels.of_names(names, "a list") == order
    devkit = json.loads((lists / "TRAP_ilsvrc_devkit_order_class_index.json").read_text())
    for part in (0, 1):
        with pytest.raises(SourceError, match="devkit"):
            labels.of_names([devkit[str(number)][part] for number in range(1, 1_001)], "a list")


def test_every_tenth_class_is_one_of_the_hundred():
    assert classes.chosen("hundred")["index"].to_list() == list(range(0, 1_000, 10))


def test_classes_are_taken_in_their_order_whichever_the_list_has():
    assert classes.chosen(["n15075141", "n01440764"])["index"].to_list() == [0, 999]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["n01440765"], r"n01440765 is none of ImageNet's 1,000; the nearest are n01440764 \(tench\)"),
        (["tench"], "tench is a name: write its wnid, n01440764"),
        (["tensh"], r"no wnid such as n01440764; the nearest names are n01440764 \(tench\)"),
        (["449"], "449 is a number.*devkit"),
        (["1000"], "1000 is a number"),
        (["n01440764", "n01440764"], "n01440764 is named more than once"),
    ],
)
def test_what_is_no_class_is_one_line_with_what_may_be_meant(wanted, said):
    with pytest.raises(SettingsError, match=said):
        classes.chosen(wanted)


def test_clips_templates_are_eighty_with_a_place_for_the_class(lists):
    assert list(classes.templates("clip")) == json.loads((lists / "clip_imagenet_templates.json").read_text())
    assert classes.templates(["the {} here"]) == ("the {} here",)
    for wrong in ("a photo", "a {} and a {}", "a {name}"):
        with pytest.raises(SettingsError, match="where the class goes"):
            classes.templates([wrong])


def test_descriptions_are_found_by_name_or_synonym_and_two_that_clip_calls_alike_share_theirs(lists):
    every = classes.table()
    said = classes.descriptions(lists / "cupl_imagenet_prompts_base.json", every)
    assert list(said) == every["name"].to_list()
    assert said["projectile"] == said["missile"]
    assert said["sunglass"] == said["sunglasses"]
    other = classes.descriptions(lists / "descriptors_imagenet.json", every)  # says eft and maillot
    assert other["newt"]
    assert other["tights"] != other["one-piece bathing suit"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"tench": ["A fish."]}', r"describes 1 of 2 classes; it lacks goldfish \(n01443537\)"),
        ('{"tench": "A fish.", "goldfish": ["A fish."]}', "'tench': expected a list of sentences"),
        ('{"tench": [], "goldfish": ["A fish."]}', "'tench': expected a list"),
        ('["A fish."]', "found a list"),
        ("tench: a fish", "is no JSON"),
    ],
)
def test_descriptions_that_lack_a_class_or_are_of_another_form_are_one_line(tmp_path, text, said):
    (tmp_path / "said.json").write_text(text)
    with pytest.raises(SourceError, match=said):
        classes.descriptions(tmp_path / "said.json", classes.table().head(2))
    with pytest.raises(SourceError, match="cannot read"):
        classes.descriptions(tmp_path / "absent.json", classes.table().head(2))


def test_an_underscore_or_a_capital_hides_no_description(tmp_path):
    (tmp_path / "said.json").write_text('{"Great_White_Shark": ["It bites."]}')
    shark = classes.chosen(["n01484850"])
    assert classes.descriptions(tmp_path / "said.json", shark) == {"great white shark": ["It bites."]}
