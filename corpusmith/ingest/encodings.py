"""In which encoding a text file is: UTF-8, what a byte order mark or a setting says, or a refusal that names the line.

Nothing is guessed: of English text in cp1252, cp1250 or Mac Roman, charset-normalizer is wrong for one file in ten
(measured on GoEmotions), and a wrong guess would be released. What it finds is said, for the user to decide.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from corpusmith.errors import SourceError

MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks but UTF-8's; that of UTF-32 begins with that of UTF-16, so it comes first."""
USUAL: Final = "cp1252"
"""Of several encodings that a text reads the same in, the one that English text is in."""
SHOWN: Final = 60


def marked(head: bytes) -> str | None:
    """The encoding, other than UTF-8, that a byte order mark at the start of a file states; or None."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def as_utf8(pieces: Iterator[bytes], encoding: str, path: Path) -> Iterator[bytes]:
    """The same text in UTF-8. Raises SourceError with the first line that is not in the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            lines += text.count("\n")
            yield text.encode()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        held = bytes(error.object)
        before = held[: error.start].decode(encoding, "replace")
        line = held[max(0, error.start - SHOWN // 2) :]
        raise not_encoded(path, lines + before.count("\n"), line, encoding) from None


def decoded(block: bytes, first_line: int, path: Path) -> str:
    """A block of whole lines as text. Raises SourceError with the first line that is not UTF-8."""
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        start = block.rfind(b"\n", 0, error.start) + 1
        line = first_line + block.count(b"\n", 0, error.start)
        raise not_encoded(path, line, block[start:].partition(b"\n")[0], "utf-8", _guess(block)) from None


def not_encoded(path: Path, line: int, content: bytes, encoding: str, guess: str | None = None) -> SourceError:
    """The error for the first line that is not in an encoding."""
    start = repr(content[:SHOWN]).removeprefix("b")
    reads = f"it reads as {guess}, if that is right" if guess else f"such as {USUAL}"
    return SourceError(
        f"{path}: line {line} is not text in {encoding}: {start}; set encoding to what the file is in ({reads})"
    )


def whole_characters(cut: bytes) -> bytes:
    """UTF-8 that was cut somewhere, without the beginning of a character at its end."""
    for back in range(1, min(4, len(cut)) + 1):
        byte = cut[-back]
        if byte < 0x80:
            return cut
        if byte >= 0xC0:
            width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return cut if back >= width else cut[:-back]
    return cut


def _guess(block: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(block[: 1 << 20]).best()
    if best is None or not best.coherence:
        return None
    return USUAL if USUAL in best.could_be_from_charset else best.encoding
