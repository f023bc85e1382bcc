"""Balance by design: tables in which every level of every factor, and every pair of levels, comes equally often."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.errors import PlanError

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Combination = Mapping[str, Any]
"""A level for each of some factors."""

STARTS: Final = 20
VISITS: Final = 2000  # of each column's rows in the search, over all passes; the start of a long table is nearly even
CANDIDATES: Final = 50  # rows that a row may swap with, of more than so many
FORBIDDEN: Final = 1e6  # what a row of a forbidden combination costs: more than any evenness
MISSING: Final = 4.0  # what a pair that never comes costs, beside being uneven
ABSENT: Final = -1


def design(
    factors: Mapping[str, Sequence[Any]],
    n: int,
    seed: int,
    *,
    never: Sequence[Combination] = (),
    absent: Mapping[str, Combination] | None = None,
) -> pl.DataFrame:
    """A covering array with a column for each factor and ``n`` rows, the same for the same arguments.

    - The counts of a factor's levels differ by at most one, and no row comes twice: guaranteed.
    - Pairs of levels of two factors come as evenly as a search finds, so all of them as soon as ``n`` is somewhat more
      than the two largest factors' levels multiplied; ``coverage`` says how evenly.
    - ``never`` names pairs of levels that must not meet, ``{"age": "child", "hair": "bald"}``.
    - ``absent`` names factors that are null where another has a level, ``{"hair_colour": {"hair": "bald"}}``; they are
      balanced over the other rows.

    The start is balanced and distinct by construction: cosets of the cyclic group that (1, …, 1) generates. Levels of a
    column are then swapped between rows while that lessens the squared pair counts, which is J2-optimality (Xu 2002, An
    algorithm for constructing orthogonal and nearly-orthogonal arrays with mixed levels and small runs, section 3), and
    the missing pairs, which is strength-2 coverage (Colbourn 2004, Combinatorial aspects of covering arrays). Raises
    PlanError when there are fewer distinct rows than ``n``, or no design without the forbidden pairs was found.
    """
    if n < 1 or not factors or any(len(levels) == 0 for levels in factors.values()):
        raise PlanError(f"a design needs a row, a factor and a level of each at least: {n} rows of {dict(factors)}")
    if n > (most := math.prod(len(levels) for levels in factors.values())):
        raise PlanError(f"{n} distinct rows were asked for, but the factors {', '.join(factors)} have only {most}")
    problem = _problem(factors, never, absent or {})
    for start in range(STARTS):
        random = np.random.default_rng([seed, start])
        rows = _start(problem, n, random)
        _search(problem, rows, random)
        if _is_allowed(problem, rows) and len(np.unique(rows, axis=0)) == n:
            return _named(factors, rows)
    raise PlanError(
        f"no {n} distinct rows of {', '.join(factors)} without {[dict(pair) for pair in never]} were found: allow more"
    )


def coverage(table: pl.DataFrame, factors: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """How evenly the levels of any two factors meet in a table: one row for each pair of factors.

    Columns: a and b, the factors; pairs, of levels; missing, those that never come, forbidden ones too; least and most,
    the smallest and largest count of a pair, rows with a null left out.
    """
    found = []
    for a, b in itertools.combinations(factors, 2):
        counts = table.select(a, b).drop_nulls().group_by(a, b).len()["len"]
        pairs = len(factors[a]) * len(factors[b])
        missing = pairs - len(counts)
        least, most = (0 if missing else counts.min()), (counts.max() if len(counts) else 0)
        found.append({"a": a, "b": b, "pairs": pairs, "missing": missing, "least": least, "most": most})
    whole = dict.fromkeys(("pairs", "missing", "least", "most"), pl.Int64)
    return pl.DataFrame(found, schema={"a": pl.String, "b": pl.String, **whole})


@dataclass(frozen=True)
class _Problem:
    """Factors and levels as numbers; ``first`` numbers the levels of all factors through, and the last is absence."""

    levels: Ints
    never: Sequence[tuple[tuple[int, int], tuple[int, int]]]  # ((factor, level), (factor, level))
    absent: Mapping[int, tuple[int, int]]  # factor: (the factor that decides, its level)

    @property
    def first(self) -> Ints:
        return np.cumsum(self.levels) - self.levels

    @property
    def cells(self) -> int:
        return int(self.levels.sum()) + 1

    def prices(self, factor: int) -> Floats:
        """What each level of a factor costs beside each level of the others: (levels, cells)."""
        prices = np.zeros((self.levels[factor], self.cells))
        for pair in self.never:
            for (here, level), (other, its_level) in (pair, pair[::-1]):
                if here == factor:
                    prices[level, self.first[other] + its_level] = FORBIDDEN
        return prices


def _problem(
    factors: Mapping[str, Sequence[Any]], never: Sequence[Combination], absent: Mapping[str, Combination]
) -> _Problem:
    names = list(factors)

    def placed(combination: Combination, many: int) -> list[tuple[int, int]]:
        if len(combination) != many or any(level not in factors.get(name, ()) for name, level in combination.items()):
            raise PlanError(f"expected {many} of {', '.join(names)}, each with one of its levels: {dict(combination)}")
        return [(names.index(name), list(factors[name]).index(level)) for name, level in combination.items()]

    pairs = [placed(pair, 2) for pair in never]
    return _Problem(
        np.array([len(levels) for levels in factors.values()]),
        [(a, b) for a, b in pairs],
        {names.index(name): placed(where, 1)[0] for name, where in absent.items()},
    )


def _start(problem: _Problem, n: int, random: np.random.Generator) -> Ints:
    """Balanced, distinct rows, (n, factors): any window of a coset has each level equally often, within one."""
    levels = problem.levels
    period = math.lcm(*levels.tolist())
    steps = np.arange(min(n, period))[:, None]
    cosets: dict[bytes, Ints] = {}
    while len(cosets) * period < n:
        coset = (random.integers(levels) + steps) % levels
        cosets.setdefault(coset[np.lexsort(coset.T[::-1])[0]].tobytes(), coset)
    rows = random.permutation(np.concatenate(list(cosets.values()))[:n])
    rows = np.stack([random.permutation(k)[column] for k, column in zip(levels, rows.T, strict=True)], axis=1)
    for factor, (deciding, level) in problem.absent.items():
        present = np.flatnonzero(rows[:, deciding] != level)
        rows[:, factor] = ABSENT
        rows[present, factor] = random.permutation(np.arange(len(present)) % levels[factor])
    return rows


def _search(problem: _Problem, rows: Ints, random: np.random.Generator) -> None:
    """Swap levels within columns, in place, until no swap gains; who decides another's absence stays as it is."""
    deciding = {factor for factor, _ in problem.absent.values()}
    free = [factor for factor in range(rows.shape[1]) if factor not in deciding]
    signs = random.integers(1 << 48, size=(rows.shape[1], int(problem.levels.max()) + 1))
    for _ in range(max(2, VISITS // len(rows))):
        if not sum(_improve(problem, rows, factor, signs, random) for factor in random.permutation(free).tolist()):
            return


def _improve(problem: _Problem, rows: Ints, factor: int, signs: Ints, random: np.random.Generator) -> int:
    """One pass over a column, in place: each row swaps with the one that gains most. Returns how many did.

    signs: a random number for each level of each factor, so that a row is known by their sum.
    """
    column = rows[:, factor]
    others = np.delete(np.arange(rows.shape[1]), factor)
    cells = np.where(rows[:, others] == ABSENT, problem.cells - 1, problem.first[others] + rows[:, others])
    present = np.flatnonzero(column != ABSENT)
    counts = np.zeros((problem.levels[factor], problem.cells))
    np.add.at(counts, (column[present, None], cells[present]), 1)
    prices = problem.prices(factor)
    known = signs[np.arange(rows.shape[1]), rows].sum(axis=1)
    taken = set(known.tolist())
    swaps = 0
    for i in random.permutation(present).tolist():
        partners = present if len(present) <= CANDIDATES else random.choice(present, CANDIDATES)
        partners = partners[column[partners] != column[i]]
        if not len(partners):
            continue
        gains = _gains(counts, prices, cells, column, i, partners)
        best = int(gains.argmax())
        j = int(partners[best])
        a, b = column[i], column[j]
        step = signs[factor, b] - signs[factor, a]
        new = int(known[i] + step), int(known[j] - step)
        if gains[best] <= 0 or not taken.isdisjoint(new):
            continue
        taken.difference_update((int(known[i]), int(known[j])))
        taken.update(new)
        known[i], known[j] = new
        column[i], column[j] = b, a
        for level, sign in ((a, -1), (b, 1)):
            np.add.at(counts[level], cells[i], sign)
            np.add.at(counts[level], cells[j], -sign)
        swaps += 1
    return swaps


def _gains(counts: Floats, prices: Floats, cells: Ints, column: Ints, i: int, partners: Ints) -> Floats:
    """By how much the cost falls if row i swaps its level with each partner: (partners,).

    The cost of a pair of levels is its squared count, MISSING when that is nought, and its price times the count.
    """
    come = 2 * counts + 1 - MISSING * (counts == 0) + prices
    go = 1 - 2 * counts + MISSING * (counts == 1) - prices
    come[:, -1] = go[:, -1] = 0
    mine, theirs = cells[i], cells[partners]
    a, b = column[i], column[partners, None]
    change = come[a, theirs] + go[a, mine] + come[b, mine] + go[b, theirs]
    gains: Floats = -np.where(theirs == mine, 0, change).sum(axis=1)
    return gains


def _is_allowed(problem: _Problem, rows: Ints) -> bool:
    return not any(((rows[:, f] == a) & (rows[:, g] == b)).any() for (f, a), (g, b) in problem.never)


def _named(factors: Mapping[str, Sequence[Any]], rows: Ints) -> pl.DataFrame:
    columns = {}
    for place, (name, levels) in enumerate(factors.items()):
        numbers = pl.Series(rows[:, place])
        columns[name] = pl.Series(list(levels)).gather(numbers.set(numbers == ABSENT, None))
    return pl.DataFrame(columns)
