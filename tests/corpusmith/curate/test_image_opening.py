"""Untrusted images: whatever the bytes are, they become upright RGB pixels or a problem with a name."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpusmith.curate.images import PROBLEMS, misnamed, opened


def picture(width=200, height=100, mode="RGB"):
    """A smooth picture, dark at the left and red at the top."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([255 - y, x, x], axis=-1).astype(np.uint8)).convert(mode)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side):
    """A PNG whose header promises side × side pixels and that holds none of them."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_mode_becomes_rgb(mode):
    found = opened(encoded(picture(mode=mode)), 64)
    assert (found.pixels.mode, found.pixels.size, found.mode, found.problem) == ("RGB", (64, 32), mode, None)
    assert (found.format, found.width, found.height) == ("PNG", 200, 100)


def test_cmyk_looks_as_it_did_before():
    found = opened(encoded(picture(mode="CMYK"), "JPEG", quality=95), 200)
    assert found.mode == "CMYK"
    assert np.abs(np.asarray(found.pixels, int) - np.asarray(picture(), int)).mean() < 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_upper_eight(kind):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = opened(encoded(Image.fromarray(levels), kind), 256)
    assert (np.asarray(found.pixels)[..., 0] == levels >> 8).all()


def test_big_endian_sixteen_bits_are_read_too():
    swapped = Image.frombytes("I;16B", (16, 16), np.arange(256, dtype=">u2").tobytes())
    found = opened(encoded(swapped, "TIFF"), 16)
    assert found.problem is None
    assert np.asarray(found.pixels).max() == 0  # levels below 256 of 65,536


def test_transparency_lies_on_white():
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert np.asarray(opened(encoded(clear), 10).pixels).min() == 255


@pytest.mark.parametrize(("mode", "colour"), [("L", 7), ("RGB", (7, 8, 9)), ("1", 0)])
def test_a_colour_that_stands_for_transparency_lies_on_white_too(mode, colour):
    image = Image.new(mode, (10, 10), colour)
    image.putpixel((0, 0), 255 if mode != "RGB" else (255, 0, 0))
    found = opened(encoded(image, transparency=colour), 10)
    assert found.mode == mode
    assert np.asarray(found.pixels)[1:].min() == 255
    assert found.pixels.getpixel((0, 0)) == ((255, 0, 0) if mode == "RGB" else (255, 255, 255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(encoded(picture(), "JPEG", exif=exif), 50)
    turned = orientation >= 5
    assert (found.width, found.height) == ((100, 200) if turned else (200, 100))
    assert found.pixels.size == ((25, 50) if turned else (50, 25))


def test_six_is_turned_a_quarter_to_the_right():
    exif = Image.Exif()
    exif[0x0112] = 6
    top = np.asarray(opened(encoded(picture(), "JPEG", exif=exif), 50).pixels)[:5, :, 1].mean()
    bottom = np.asarray(opened(encoded(picture(), "JPEG", exif=exif), 50).pixels)[-5:, :, 1].mean()
    assert top < bottom  # what was left is on top


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_turns_nothing():
    found = opened(encoded(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), 50)
    assert (found.problem, found.width) == (None, 200)


@pytest.mark.parametrize(
    ("data", "problem"), [(b"", "empty"), (None, "empty"), (b"GIF", "not_an_image"), (b"%PDF-1.7 ...", "not_an_image")]
)
def test_what_is_no_image_is_called_so(data, problem):
    assert opened(data, 64).problem == problem


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_a_problem(kind, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8))
    data = encoded(noise, kind)
    assert opened(data[: int(len(data) * share)], 64).problem in ("truncated", "not_an_image")


@pytest.mark.parametrize("side", [9_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_not_decoded(side):
    assert opened(bomb(side), 64).problem == "too_large"


def test_the_bound_is_on_pixels():
    assert opened(encoded(picture()), 64, max_pixels=200 * 100).problem is None
    assert opened(encoded(picture()), 64, max_pixels=200 * 100 - 1).problem == "too_large"


def test_formats_that_nobody_asked_for_stay_closed():
    assert opened(encoded(picture(), "PPM"), 64).problem == "not_an_image"


def test_the_format_is_that_of_the_content():
    found = opened(encoded(picture(), "WEBP"), 64)
    assert (found.format, found.problem) == ("WEBP", None)
    assert misnamed(found.format, "photos/cat.jpg")
    assert not misnamed(found.format, "cat.WEBP")
    assert not misnamed(found.format, None)


def test_small_images_are_not_enlarged():
    assert opened(encoded(picture(30, 20)), 64).pixels.size == (30, 20)


def test_a_sliver_keeps_a_pixel():
    assert opened(encoded(picture(1000, 2)), 64).pixels.size == (64, 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60)
@given(st.data())
def test_damage_never_raises(data):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
    whole = bytearray(encoded(picture(24, 16), kind))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        whole[place] = data.draw(st.integers(0, 255))
    found = opened(bytes(whole[: data.draw(st.integers(0, len(whole)))]), 16)
    assert found.problem in PROBLEMS if found.pixels is None else found.pixels.mode == "RGB"


def jpegs():
    """JPEGs of every make: odd sizes, subsampling, progressive, grey, CMYK, with and without restart markers."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 70, 3), np.uint8))
    for width, height in ((1, 1), (17, 9), (515, 389), (1024, 700)):
        image = picture(width, height)
        image.paste(noise)
        for mode in ("RGB", "L", "CMYK"):
            for options in (
                {"subsampling": 0},
                {"subsampling": 2, "quality": 95},
                {"progressive": True},
                {"restart_marker_rows": 1},
            ):
                yield encoded(image.convert(mode), "JPEG", **options)


def decoded_in_parts(data, side, part):
    """What `opened` is to come to, by Pillow alone as it reads a file: in parts."""
    image = Image.open(io.BytesIO(data))
    scale = min(1.0, side / max(image.size))
    size = tuple(max(1, round(edge * scale)) for edge in image.size)
    image.draft(None, size)
    image.decodermaxblock = part
    image.load()
    image = image.convert("RGB") if image.mode == "CMYK" else image
    image = image if image.size == size else image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("side", [64, 128, 1 << 20])
def test_a_jpeg_that_is_decoded_at_once_has_the_pixels_of_one_that_is_decoded_in_parts(side, shared_data):
    photographs = [path.read_bytes() for path in sorted((shared_data / "coco_tiny_dev").glob("*/*.jpg"))[:20]]
    for data in (*jpegs(), *photographs):
        found = opened(data, side)
        assert found.problem is None
        assert (np.asarray(found.pixels) == decoded_in_parts(data, side, part=4096)).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_large_jpeg_that_ends_early_is_truncated(progressive, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8))
    data = encoded(noise, "JPEG", quality=95, progressive=progressive)
    assert len(data) > 2 * 65536  # which would be read in parts
    assert opened(data[: int(len(data) * share)], 64).problem == "truncated"


def test_real_images_of_many_modes_open(shared_data):
    paths = sorted((shared_data / "skimage_images").glob("*.[pj][np]g"))
    assert len(paths) > 10
    for path in paths:
        found = opened(path.read_bytes(), 64)
        assert found.problem is None, path
        assert not misnamed(found.format, path.name)
