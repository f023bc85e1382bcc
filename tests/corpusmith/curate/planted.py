"""Three hundred comments with personal data planted in them, by kind: what scrubbing must find, as people write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

import stdnum.br.cpf
import stdnum.cn.ric
import stdnum.de.idnr
import stdnum.es.dni
import stdnum.fr.nir
import stdnum.iban
import stdnum.in_.aadhaar
import stdnum.luhn

AROUND: Final = (
    "they asked for {} and I gave it without thinking",
    "my {} was on the form, in plain sight",
    "{} is what it says on the letter from 2006.",
    "so, {}? that was the third time this week",
    "you can use {}, nobody else does",
    "I wrote {} down on 12/05/2005 and lost the note",
)
FIRST = ("jane", "omar", "lucia", "piotr", "mei", "tom")
LAST = ("doe", "haddad", "rossi", "nowak", "chen", "baker")


def _digits(draw: Random, count: int) -> str:
    return "".join(str(draw.randrange(10)) for _ in range(count))


def _ssn(draw: Random) -> str:
    return f"{draw.randrange(1, 665):03}-{draw.randrange(1, 99):02}-{draw.randrange(1, 9999):04}"


def _nino(draw: Random) -> str:
    space = draw.choice(["", " "])
    return space.join(
        [draw.choice(["AB", "CE", "JK", "PR", "TW"]), *(_digits(draw, 2) for _ in "123"), draw.choice("ABCD")]
    )


def _sin(draw: Random) -> str:
    number = f"{draw.randrange(1, 8)}{_digits(draw, 7)}"
    number += stdnum.luhn.calc_check_digit(number)
    return f"{number[:3]}-{number[3:6]}-{number[6:]}"


def _nir(draw: Random) -> str:
    born = f"{draw.choice('12')}{_digits(draw, 2)}{draw.randrange(1, 12):02}"
    number = f"{born}{draw.randrange(1, 95):02}{draw.randrange(1, 999):03}{_digits(draw, 3)}"
    number += stdnum.fr.nir.calc_check_digits(number)
    parts = [number[:1], number[1:3], number[3:5], number[5:7], number[7:10], number[10:13], number[13:]]
    return draw.choice(["", " "]).join(parts)


def _dni(draw: Random) -> str:
    number = _digits(draw, 8)
    return number + draw.choice(["", "-"]) + stdnum.es.dni.calc_check_digit(number)


def _idnr(draw: Random) -> str:
    while True:
        number = f"{draw.randrange(1, 9)}{_digits(draw, 9)}"
        for last in "0123456789":
            if stdnum.de.idnr.is_valid(number + last):
                whole = number + last
                return f"{whole[:2]} {whole[2:5]} {whole[5:8]} {whole[8:]}"


def _cpf(draw: Random) -> str:
    while True:
        whole = _digits(draw, 9)
        for last in range(100):
            if stdnum.br.cpf.is_valid(f"{whole}{last:02}"):
                return f"{whole[:3]}.{whole[3:6]}.{whole[6:]}-{last:02}"


def _aadhaar(draw: Random) -> str:
    while True:
        number = f"{draw.randrange(2, 9)}{_digits(draw, 11)}"
        if stdnum.in_.aadhaar.is_valid(number):
            return f"{number[:4]} {number[4:8]} {number[8:]}"


def _ric(draw: Random) -> str:
    number = f"110101{draw.randrange(1950, 1999)}{draw.randrange(1, 12):02}{draw.randrange(1, 28):02}{_digits(draw, 3)}"
    return number + stdnum.cn.ric.calc_check_digit(number + "0")


def _personnummer(draw: Random) -> str:
    number = f"{draw.randrange(50, 99)}{draw.randrange(1, 12):02}{draw.randrange(1, 28):02}{_digits(draw, 3)}"
    return f"{number[:6]}-{number[6:]}{stdnum.luhn.calc_check_digit(number)}"


def _named(draw: Random) -> str:
    name = draw.choice(["passport no ", "SSN: ", "NHS number ", "tax id is ", "BSN ", "pesel "])
    return name + str(draw.randrange(1, 9)) + _digits(draw, draw.choice([8, 9, 10]))


NATIONAL: Final = (_ssn, _nino, _sin, _nir, _dni, _idnr, _cpf, _aadhaar, _ric, _personnummer, _named)


def _iban(draw: Random) -> str:
    country, account = draw.choice(
        [
            ("DE", _digits(draw, 18)),
            ("GB", "WEST" + _digits(draw, 14)),
            ("NL", "ABNA" + _digits(draw, 10)),
            ("AT", _digits(draw, 16)),
            ("PL", _digits(draw, 24)),
        ]
    )
    whole = f"{country}{stdnum.iban.calc_check_digits(f'{country}00{account}')}{account}"
    return whole if draw.random() < 0.5 else stdnum.iban.format(whole)


def _email(draw: Random) -> str:
    first, last, number = draw.choice(FIRST), draw.choice(LAST), draw.randrange(10, 99)
    return draw.choice(
        [
            f"{first}.{last}@example.com",
            f"{first} (dot) {last} (at) example (dot) com",
            f"{first}[at]example[dot]org",
            f"{first}.{last} at gmail",
            f"{first}{number} at hotmail.com",
            f"{first} dot {last} at yahoo dot com",
            f"{first} at gmail dot com",
        ]
    )


def _handle(draw: Random) -> str:
    first, last = draw.choice(FIRST), draw.choice(LAST)
    return draw.choice(
        [f"{first}#{_digits(draw, 4)}", f"/u/{first}_{last}", f"@{first}{last}", f"{first}.{last}#{_digits(draw, 4)}"]
    )


def _phone(draw: Random) -> str:
    return draw.choice(
        [
            f"({draw.randrange(201, 989)}) 555-01{_digits(draw, 2)}",
            f"+44 20 7946 0{_digits(draw, 3)}",
            f"+49 30 {_digits(draw, 4)} {_digits(draw, 3)}",
            f"{draw.randrange(201, 989)}-555-01{_digits(draw, 2)}",
            "06 " + " ".join(_digits(draw, 2) for _ in range(4)),
        ]
    )


def _card(draw: Random) -> str:
    number = f"4{_digits(draw, 14)}"
    number += stdnum.luhn.calc_check_digit(number)
    return draw.choice([number, " ".join(number[at : at + 4] for at in range(0, 16, 4))])


def _ip(draw: Random) -> str:
    four = ".".join(str(draw.randrange(1, 255)) for _ in range(4))
    return draw.choice([four, f"2001:db8:{draw.randrange(16, 255):x}::{draw.randrange(1, 255):x}"])


def _url(draw: Random) -> str:
    return draw.choice(
        [f"https://example.org/{draw.choice(FIRST)}", f"www.{draw.choice(LAST)}.net/about", f"{draw.choice(LAST)}.com"]
    )


SHARES: Final[dict[str, tuple[int, tuple[Callable[[Random], str], ...]]]] = {
    "NATIONAL_ID": (110, NATIONAL),
    "IBAN": (40, (_iban,)),
    "EMAIL": (40, (_email,)),
    "USER": (30, (_handle,)),
    "PHONE": (30, (_phone,)),
    "CARD": (20, (_card,)),
    "IP": (15, (_ip,)),
    "URL": (15, (_url,)),
}


def planted(seed: int = 0) -> Iterator[tuple[str, str, str]]:
    """Kind, comment, and the comment as it must be after scrubbing; the same ones for the same seed."""
    draw = Random(seed)
    for kind, (count, makers) in SHARES.items():
        for number in range(count):
            maker = makers[number % len(makers)]
            secret = maker(draw)
            named = secret.rstrip("0123456789") if maker is _named else ""
            around = AROUND[number % len(AROUND)]
            yield kind, around.format(secret), around.format(f"{named}[{kind}]")
