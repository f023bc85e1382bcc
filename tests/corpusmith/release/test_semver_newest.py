"""Which version a range asks for, as npm and Cargo have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.errors import UserError
from corpusmith.release.semver import newest, numbers

THERE = ["0.0.3", "0.1.0", "0.2.0", "0.2.5", "1.0.0", "1.2.0", "1.2.10", "1.2.9", "1.10.0", "2.0.0"]
VERSIONS = st.tuples(*[st.integers(0, 12)] * 3).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, "2.0.0"),
        ("1.2.0", "1.2.0"),
        ("=1.2.0", "1.2.0"),
        ("v1.2.0", "1.2.0"),
        ("1.2", "1.2.10"),
        ("1", "1.10.0"),
        ("^1.2", "1.10.0"),
        ("^1.2.10", "1.10.0"),
        ("^0.2", "0.2.5"),
        ("^0.2.1", "0.2.5"),
        ("^0.0.3", "0.0.3"),
        ("^0", "0.2.5"),
        ("~1.2.0", "1.2.10"),
        ("~1", "1.10.0"),
        (">=1.2,<2", "1.10.0"),
        (">= 1.2 , < 1.10", "1.2.10"),
        (">1.2", "2.0.0"),
        ("<=1.2", "1.2.10"),
        ("<1.2", "1.0.0"),
        (">1.2,<1.3", None),
        ("3", None),
        ("^0.0.4", None),
    ],
)
def test_the_newest_that_fits(asked: str | None, found: str | None) -> None:
    assert newest(asked, THERE) == found


@pytest.mark.parametrize(
    "asked", ["x", "1.x", "1.2.3.4", "latest", "^", ">=", ",", "1,", "1.2.0-rc", "../..", "vv1", "-1"]
)
def test_what_asks_for_no_version_is_told(asked: str) -> None:
    with pytest.raises(UserError, match="asks for no version: expected"):
        newest(asked, THERE)


@given(VERSIONS, st.lists(VERSIONS))
def test_a_version_is_what_it_is_itself_asked_for(version: str, others: list[str]) -> None:
    for sign in ("", "=", "^", "~", ">=", "<="):
        assert newest(f"{sign}{version}", [version]) == version
    for sign in ("<", ">"):
        assert newest(f"{sign}{version}", [version]) is None
    found = newest(f"^{version}", [*others, version])
    assert found is not None
    assert numbers(found) >= numbers(version)
    assert numbers(found)[0] == numbers(version)[0]
