"""What the settings say of a Ray cluster and its actors: what is not said, and what is said wrongly."""

import sys
from pathlib import Path

import pytest
from makers import Squares

from corpusmith.assets.registry import load
from corpusmith.errors import SettingsError, UserError
from corpusmith.models.catalog import catalog
from corpusmith.models.generator import Generator
from corpusmith.settings import Ray
from corpusmith.work.ray_actors import connect
from corpusmith.work.ray_executor import check_entries

PARAMS = Path(__file__).parents[3] / "params.yaml"


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'corpusmith\[ray\]'"):
        connect(None)


def test_what_an_entry_leaves_out_is_as_under_default():
    default = {"concurrency": 3, "num_cpus": 2}
    wanted = Ray.model_validate({"address": None, "makers": {"default": default, "images": {"num_gpus": 1}}})
    assert wanted.actors("sdxl", "images").model_dump() == {"concurrency": 3, "num_cpus": 2, "num_gpus": 1}
    assert wanted.actors("squares", "squares").model_dump() == {"concurrency": 3, "num_cpus": 2, "num_gpus": 0}


def test_a_misspelt_setting_of_an_entry_is_named():
    with pytest.raises(SettingsError, match=r"makers\.default\.concurency: is not a setting; did you mean concurrency"):
        load(PARAMS, overrides=["work.ray.makers.default.concurency=3"])


@pytest.mark.parametrize("entry", ["image", "house-velocity-fst", "house-velocity-fast2"])
def test_an_entry_that_misspells_a_maker_is_refused_with_its_name(entry):
    maker = Generator(catalog()["house/velocity-fast"])
    meant = "images" if entry == "image" else "house-velocity-fast"
    with pytest.raises(
        SettingsError, match=rf"work\.ray\.makers\.{entry}: no maker is called so; did you mean {meant}\?"
    ):
        check_entries(["default", entry], maker)


def test_entries_of_other_makers_and_of_other_people_s_are_none_of_a_step_s_business():
    others = [name.replace("/", "-") for name in catalog()]
    maker = Generator(catalog()["house/velocity-fast"])
    check_entries(["default", "squares", "images", *others], maker)
    check_entries(["default", "squares", "images", *others], Squares())


@pytest.mark.parametrize("address", ["auto", "10.0.0.7:6379", "ray://head.example:10001", "[fd00::7]:6379"])
def test_an_address_of_a_cluster_is_taken(address):
    assert load(PARAMS, overrides=[f"work.ray.address='{address}'"]).work.ray.address == address


@pytest.mark.parametrize("address", ["local", "10.0.0.7", "http://10.0.0.7:8265", "''"])
def test_what_is_no_address_of_a_cluster_is_refused_and_local_too(address):
    with pytest.raises(
        SettingsError, match=r"work\.ray\.address: .*expected auto, host:port, ray://host:port, or null"
    ):
        load(PARAMS, overrides=[f"work.ray.address={address}"])
