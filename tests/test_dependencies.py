"""What pyproject.toml allows and constraints.txt pins agree, and each dependency has a lowest version."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
REQUIRED = [
    *PROJECT["dependencies"],
    *(named for extra in PROJECT["optional-dependencies"].values() for named in extra if "corpusmith[" not in named),
]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (CHECKOUT / "constraints.txt").read_text(), re.MULTILINE))
PINNED = {canonicalize_name(name): version for name, version in PINS.items()}
BREAKING = {"dagster", "dagster-polars", "datasets", "diffusers", "great-expectations", "huggingface-hub", "polars"}


@pytest.mark.parametrize("required", map(Requirement, REQUIRED), ids=str)
def test_what_is_pinned_lies_within_the_bounds(required):
    assert required.specifier.contains(PINNED[canonicalize_name(required.name)], prereleases=True)


@pytest.mark.parametrize("required", map(Requirement, REQUIRED), ids=str)
def test_every_dependency_has_a_lowest_version(required):
    operators = {bound.operator for bound in required.specifier}
    assert ">=" in operators
    assert "<" in operators or required.name not in BREAKING | {"pyarrow", "transformers"}
