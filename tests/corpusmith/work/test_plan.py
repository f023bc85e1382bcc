"""Keys: what decides them, and what never does."""

import subprocess
import sys

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.work.plan import fingerprint, keys, seeds

ROWS = st.lists(
    st.fixed_dictionaries(
        {"text": st.text(max_size=40), "n": st.none() | st.integers(-(2**60), 2**60), "x": st.floats(allow_nan=False)}
    ),
    min_size=1,
    max_size=30,
)
SCHEMA = {"text": pl.String, "n": pl.Int64, "x": pl.Float64}


@given(ROWS, st.permutations(["text", "n", "x"]))
def test_a_key_does_not_depend_on_column_order(rows, order):
    plan = pl.DataFrame(rows, schema=SCHEMA)
    assert keys(plan, "f", ["text", "n", "x"]).equals(keys(plan.select(order), "f", order))


@given(ROWS, st.integers(1, 7))
def test_a_key_does_not_depend_on_batch_size(rows, size):
    plan = pl.DataFrame(rows, schema=SCHEMA)
    in_batches = pl.concat([keys(part, "f", plan.columns) for part in plan.iter_slices(size)])
    assert in_batches.equals(keys(plan, "f", plan.columns))


def test_a_key_does_not_depend_on_the_process():
    program = (
        "import polars as pl; from corpusmith.work.plan import keys;"
        "print(keys(pl.DataFrame({'b': ['é'], 'a': [1.5]}), 'f', ['a', 'b'])[0])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {keys(pl.DataFrame({"b": ["é"], "a": [1.5]}), "f", ["a", "b"])[0] + "\n"}


def test_keys_are_pinned_so_that_an_upgrade_cannot_change_them_unseen():
    plan = pl.DataFrame({"text": ['a "quoted" ünïcode\n'], "n": [None], "x": [0.1]}, schema=SCHEMA)
    assert keys(plan, "name:model@rev+00", plan.columns)[0] == "88a3b6bd73232ae9950553eef948f776"


@given(ROWS)
def test_a_different_maker_makes_different_keys(rows):
    plan = pl.DataFrame(rows, schema=SCHEMA)
    assert (keys(plan, "f", plan.columns) != keys(plan, "g", plan.columns)).all()


def test_a_narrower_integer_type_keeps_its_key():
    wide = pl.DataFrame({"n": [7]}, schema={"n": pl.Int64})
    assert keys(wide, "f", ["n"]).equals(keys(wide.cast(pl.Int16), "f", ["n"]))


def test_rows_that_differ_only_in_where_a_value_stands_have_different_keys():
    plan = pl.DataFrame({"a": ["x", ""], "b": ["", "x"]})
    assert keys(plan, "f", ["a", "b"]).n_unique() == 2


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=5))
def test_a_fingerprint_does_not_depend_on_the_order_of_settings(settings):
    assert fingerprint("n", "m", "r", settings) == fingerprint("n", "m", "r", dict(reversed(settings.items())))


def test_seeds_fit_a_signed_64_bit_integer():
    assert seeds(["f" * 32, "0" * 32]).tolist() == [2**63 - 1, 0]
