"""Open a file of lines, compressed or not, as blocks of whole lines whose size is bounded whatever the file holds."""

import bz2
import gzip
import itertools
import logging
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from corpusmith.errors import SourceError
from corpusmith.ingest.encodings import as_utf8, marked, whole_characters
from corpusmith.ingest.options import Notes, Options

BLOCK_BYTES: Final = 8 << 20
BLOCK_LINES: Final = 100_000
MAX_LINE_BYTES: Final = 1 << 20
"""A longer line is cut here, and so becomes a broken one; a comment has 10,000 characters at most, a post 40,000."""
KEPT_OF_LONG_LINE: Final = 4096
MAX_RATIO: Final = 300
"""Of decompressed to compressed bytes; dumps have 5 to 30."""
FREE_BYTES: Final = 256 << 20
"""Decompressed bytes from which the ratio counts: a small file of equal lines is no bomb."""
WINDOW_BYTES: Final = 1 << 31
"""The window that real dumps declare (zstd --long=31)."""
PIECE_BYTES: Final = 2048
"""Of zstd input at a time: a piece decompresses to 64 MiB at the most, since a block of 128 KiB takes 4 bytes."""
BROKEN_END: Final = b"\0\n"
"""Ends what was left of a damaged stream: no line with a NUL in it is valid."""

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """The compressed stream ends too early, or its bytes are not what they should be."""


def kind(path: Path) -> str:
    """How a file is packed, by its first bytes: zst, bz2, gz, parquet, arrow or plain.

    Raises SourceError for a file that cannot be read or is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if not head:
        raise SourceError(f"{path} is empty: expected a dump or a table with at least one row")
    if head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        return "zst"
    magic = {b"BZh": "bz2", b"\x1f\x8b": "gz", b"PAR1": "parquet", b"ARROW1": "arrow"}
    return next((name for start, name in magic.items() if head.startswith(start)), "plain")


def blocks(
    path: Path, options: Options | None = None, notes: Notes | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The text of a file, decompressed and in UTF-8, in blocks of about ``block_bytes`` and BLOCK_LINES whole lines.

    A line longer than MAX_LINE_BYTES is cut short. Raises SourceError for a damaged stream, which says how much could
    be read; with ``options.use_damaged`` what was left of it is the last line, made invalid by a NUL, and the damage is
    noted. Raises SourceError when nothing at all can be decompressed, and for a decompression bomb.
    """
    options, notes = options or Options(), {} if notes is None else notes
    held: list[bytes] = []
    size = tail = lines = 0  # bytes that are held; bytes of the line that was started last; whole lines before those
    long = False  # may one of the lines be over-long?
    ending = b""
    try:
        for piece in _text(path, options, notes):
            end = piece.rfind(b"\n") + 1
            if not end and tail > MAX_LINE_BYTES:
                continue  # the line is cut short anyway
            long = long or tail + len(piece) > MAX_LINE_BYTES
            held.append(piece)
            size += len(piece)
            tail = len(piece) - end if end else tail + len(piece)
            if end and size >= block_bytes:
                joined = b"".join(held)
                lines += joined.count(b"\n")
                yield from _cut(joined[: size - tail], long)
                held, size, long = [joined[size - tail :]], tail, tail > MAX_LINE_BYTES
    except DamagedError as error:
        if not held:
            raise SourceError(f"{path} is not a readable .{kind(path)} file: {error}") from error
        readable = lines + sum(piece.count(b"\n") for piece in held)
        damage = f"{error}; {readable:,} lines can be read of it"
        if not options.use_damaged:
            raise SourceError(
                f"{path} is damaged: {damage}. Get the file anew, or go on with these by source_damage: use"
            ) from error
        notes["damage"] = damage
        log.warning("%s is damaged: %s, and are used", path, damage)
        ending = BROKEN_END
    rest = b"".join(held)
    if ending:
        rest = whole_characters(rest)
    elif rest and not rest.endswith(b"\n"):
        ending = b"\n"
    yield from _cut(rest + ending, long)


def _text(path: Path, options: Options, notes: Notes) -> Iterator[bytes]:
    """The decompressed bytes of a file as UTF-8, from the encoding that is set, or that a byte order mark states."""
    pieces = _bounded(path)
    first = next(pieces, b"")
    encoding = options.encoding or marked(first)
    every = itertools.chain([first], pieces)
    if encoding is None:
        return every
    notes["encoding"] = f"{encoding}, as {'the setting' if options.encoding else 'its byte order mark'} says"
    return as_utf8(every, encoding, path)


def _cut(block: bytes, long: bool) -> Iterator[bytes]:
    """A block of whole lines in parts of at most BLOCK_LINES lines, over-long lines cut short."""
    if long:
        lines = block.split(b"\n")
        block = b"\n".join(
            line if len(line) <= MAX_LINE_BYTES else whole_characters(line[:KEPT_OF_LONG_LINE]) for line in lines
        )
    count = block.count(b"\n")
    if count <= BLOCK_LINES:
        if block:
            yield block
        return
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    cuts = [0, *ends[BLOCK_LINES - 1 : -1 : BLOCK_LINES].tolist(), len(block)]
    yield from (block[start:end] for start, end in pairwise(cuts))


def _bounded(path: Path) -> Iterator[bytes]:
    """Decompressed pieces; raises DamagedError, and SourceError where the ratio shows a bomb."""
    packing = kind(path)
    openers = {"zst": _zst, "bz2": _bz2, "gz": _gz}
    with path.open("rb") as file:
        made = 0
        for piece in openers.get(packing, _plain)(file):
            made += len(piece)
            if packing != "plain" and made > max(FREE_BYTES, MAX_RATIO * file.tell()):
                raise SourceError(
                    f"{path} looks like a decompression bomb: {file.tell()} bytes of it gave {made}, "
                    f"more than {MAX_RATIO} to 1; decompress it yourself if you trust it"
                )
            yield piece


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(1 << 18):
        yield piece


def _zst(file: BinaryIO) -> Iterator[bytes]:
    import zstandard

    decoder = None
    try:
        while piece := file.read(PIECE_BYTES):
            while piece:
                decoder = decoder or zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
                if made := decoder.decompress(piece):
                    yield made
                piece = decoder.unused_data if decoder.eof else b""
                decoder = None if decoder.eof else decoder
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error
    if decoder is not None:
        raise DamagedError("it ends in the middle of a frame")


def _bz2(file: BinaryIO) -> Iterator[bytes]:
    with bz2.open(file) as unpacked:
        yield from _read(unpacked)


def _gz(file: BinaryIO) -> Iterator[bytes]:
    with gzip.open(file) as unpacked:
        yield from _read(unpacked)


def _read(unpacked: bz2.BZ2File | gzip.GzipFile) -> Iterator[bytes]:
    try:
        while piece := unpacked.read1(1 << 18):
            yield piece
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedError(str(error)) from error
