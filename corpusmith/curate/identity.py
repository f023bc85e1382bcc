"""Numbers that a state or a bank gave to one person: told from ordinary ones by their form and their check digits."""

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import Final

NAMES: Final = (
    r"\b(?:ssn|sin|nino?|bsn|pesel|cpf|nhs|passport|aadhaar|social (?:security|insurance)|national insurance|tax id"
    r"|driver'?s licen[cs]e)\b"
)
"""What people call such a number."""
HINT: Final = (
    r"(?i)[a-z]{2}\d\d[ -]?[a-z0-9]{4}[ -]?[a-z0-9]{4}"  # an IBAN
    r"|[a-z]{2} ?\d\d ?\d\d ?\d\d ?[a-d]\b|[a-z]{6}\d\d[a-z]\d\d[a-z]\d{3}[a-z]"  # GB, IT
    r"|\d{3}-\d\d-\d{4}|\d{7,8}-?[a-z]\b|\d{6}[-+]\d{4}|\d{17}|\d(?: ?\d){12}|\d(?:[ .-]\d{2,4}){2}"
    rf"|{NAMES}\D{{0,20}}\d"
)
"""Where such a number may be, in polars' regular expressions: only these rows see the precise rules below."""

IBAN: Final = re.compile(r"(?i)(?<![\w-])[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]{1,4}){3,9}(?![\w])")
STARTS, ENDS = r"(?<![\w.,$€£#/-])", r"(?![\w-]|[.,]\d)"
FORMS: Final[tuple[tuple[str, str], ...]] = (
    (r"(?!000|666)\d{3}-(?!00)\d\d-(?!0000)\d{4}", ""),  # United States: no check digit
    (r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]", ""),  # United Kingdom
    (r"\d{3}-\d{3}-\d{3}", "ca.sin"),
    (r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d", "fr.nir"),
    (r"\d{8}-?[A-Z]", "es.dni"),
    (r"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
    (r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    (r"\d\d \d{3} \d{3} \d{3}", "de.idnr"),
    (r"\d{3}\.\d{3}\.\d{3}-\d\d", "br.cpf"),
    (r"(?<!\d[ -])(?:\d{4} \d{4} \d{4}|\d{4}-\d{4}-\d{4})(?![ -]\d)", "in_.aadhaar"),
    (r"\d{17}[\dXx]", "cn.ric"),
    (r"\d{6}[-+]\d{4}", "se.personnummer"),
)
"""How it is written where it needs no name, and the module of python-stdnum that knows its check digits."""
NATIONAL: Final = [(re.compile(f"{STARTS}(?:{form}){ENDS}"), module) for form, module in FORMS]
NAMED: Final = re.compile(
    rf"(?i)({NAMES}(?:\W{{0,3}}\b(?:is|was|no|nr|number|num|card|id)\b){{0,3}}\W{{0,3}})"
    r"([A-Z]{0,2}\d(?:[ .-]?\d){5,13})(?![\w-])"
)
"""A number that is called one: any of six digits or more."""


def without_identity(text: str) -> str:
    """The text with bank accounts as [IBAN] and national identity numbers as [NATIONAL_ID].

    IBAN: ISO 13616, by country and its check digits (ISO 7064). Identity numbers of the countries in FORMS, where they
    have check digits only if these are right; of other countries only where the text names them (NAMED).
    """
    text = IBAN.sub(_iban, text)
    for form, module in NATIONAL:
        text = form.sub(_checked(module), text)
    return NAMED.sub(r"\1[NATIONAL_ID]", text)


def _iban(found: re.Match[str]) -> str:
    """The account replaced: the longest beginning that is one, for what follows it may look like more of it."""
    parts = re.split(r"(?<=[A-Za-z0-9])(?=[ -])", found[0])
    for account in reversed(list(accumulate(parts))):
        if _valid("iban", account):
            return "[IBAN]" + found[0][len(account) :]
    return found[0]


@cache
def _checked(module: str) -> Callable[[re.Match[str]], str]:
    return lambda found: "[NATIONAL_ID]" if not module or _valid(module, found[0]) else found[0]


def _valid(module: str, number: str) -> bool:
    return bool(import_module(f"stdnum.{module}").is_valid(number))
