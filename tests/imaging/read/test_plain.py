"""PNG, TIFF and JPEG files."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import BacctlError, FailedError, RefusedError

SPACING = (0.1, 0.1)


def encode(image, kind="PNG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def grey8(ramp):
    """8 bits, unlike in rows and columns, spanning 0 to 255."""
    pixels = np.clip(ramp // 15 + np.arange(140)[:, None] // 4, 0, 255).astype(np.uint8)
    pixels[0, 0], pixels[0, 1] = 0, 255
    return pixels


@pytest.fixture
def grey16(ramp):
    pixels = (ramp * 17).astype(np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, 65535
    return pixels


def codes(image):
    return {notice.code for notice in image.warnings}


def check(data, pixels, full):
    image = read_mammogram(data, SPACING)
    assert image.signal.dtype == np.float32
    np.testing.assert_allclose(image.signal, pixels / float(full), atol=1e-6)
    assert image.valid.all()
    return image


def refused(data, spacing=SPACING):
    with pytest.raises(RefusedError) as caught:
        read_mammogram(data, spacing)
    return caught.value.code


def test_what_is_known_of_a_plain_image(grey8):
    image = check(encode(grey8), grey8, 255)
    assert image.signal_kind == "display"
    assert image.geometry.pixel_spacing_mm == SPACING
    assert image.geometry.spacing_source == "given"
    # 660 / (660 - 20 - 25)
    assert image.geometry.magnification == pytest.approx(660 / 615)
    assert image.beam is image.view is image.laterality is image.presentation_intent is None
    assert image.sop_instance_uid is image.study_instance_uid is None
    assert codes(image) == {"BAC-W-MAGNIFICATION-ASSUMED"}


def test_spacing_has_to_be_given(grey8):
    # Resolution tags are not believed.
    assert refused(encode(grey8, dpi=(508, 508)), None) == "BAC-SPACING-MISSING"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits(kind, grey16):
    check(encode(grey16, kind), grey16, 65535)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(compression, grey8, grey16):
    check(encode(grey8, "TIFF", compression=compression), grey8, 255)
    check(encode(grey16, "TIFF", compression=compression), grey16, 65535)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_tiff_of_another_writer(big, order, photometric, grey8, grey16):
    tifffile = pytest.importorskip("tifffile")
    for pixels in (grey8, grey16):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, bigtiff=big, byteorder=order, photometric=photometric)
        full = np.iinfo(pixels.dtype).max
        check(buffer.getvalue(), full - pixels if photometric == "miniswhite" else pixels, full)


def test_float_tiff(grey8):
    tifffile = pytest.importorskip("tifffile")
    pixels = grey8.astype(np.float32) / 100 - 1
    pixels[70, 60] = np.nan
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels)
    image = read_mammogram(buffer.getvalue(), SPACING)
    assert not image.valid[70, 60]
    assert np.isfinite(image.signal).all()
    np.testing.assert_allclose(image.signal[image.valid], grey8[image.valid] / 255, atol=1e-5)


def test_several_pages(grey8):
    page = Image.fromarray(grey8)
    assert refused(encode(page, "TIFF", save_all=True, append_images=[page])) == "BAC-MULTIFRAME"
    assert refused(encode(page, "PNG", save_all=True, append_images=[page])) == "BAC-MULTIFRAME"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG"])
def test_pixels_stay_as_stored(orientation, kind, grey8):
    exif = Image.Exif()
    exif[274] = orientation
    flat = np.asarray(Image.fromarray(grey8))
    plain = read_mammogram(encode(flat, kind), SPACING)
    turned = read_mammogram(encode(flat, kind, exif=exif), (0.1, 0.11))
    np.testing.assert_array_equal(turned.signal, plain.signal)
    assert turned.geometry.pixel_spacing_mm == (0.1, 0.11)


def test_jpeg(grey8):
    smooth = np.tile(np.arange(120, dtype=np.uint8) * 2, (140, 1))
    image = read_mammogram(encode(smooth, "JPEG", quality=95), SPACING)
    assert np.abs(image.signal - smooth / 238).max() < 0.03
    assert "BAC-W-LOSSY" in codes(image)
    as_colour = read_mammogram(encode(np.stack([smooth] * 3, -1), "JPEG", quality=95), SPACING)
    assert np.abs(as_colour.signal - smooth / 238).max() < 0.03


def test_equal_channels_are_grey(grey8):
    check(encode(np.stack([grey8] * 3, -1)), grey8, 255)


def test_palette(grey8):
    check(encode(Image.fromarray(grey8).convert("P")), grey8, 255)
    coloured = Image.fromarray(grey8).convert("P")
    coloured.putpalette([value for i in range(256) for value in (i, 255 - i, i)])
    assert refused(encode(coloured)) == "BAC-COLOUR"


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_pixels_are_invalid(channels, grey8):
    alpha = np.full_like(grey8, 255)
    alpha[10:20, 10:20] = 0
    grey = [grey8] * (channels - 1)
    image = read_mammogram(encode(np.stack([*grey, alpha], -1)), SPACING)
    assert not image.valid[10:20, 10:20].any()
    assert image.valid.sum() == image.valid.size - 100
    np.testing.assert_allclose(image.signal[image.valid], grey8[image.valid] / 255, atol=1e-6)


def test_colour(grey8):
    assert refused(encode(np.stack([grey8, grey8, 255 - grey8], -1))) == "BAC-COLOUR"
    assert refused(encode(np.stack([grey8, grey8, 255 - grey8], -1), "JPEG")) == "BAC-COLOUR"
    assert refused(encode(Image.fromarray(np.stack([grey8] * 4, -1), "CMYK"), "TIFF")) == "BAC-COLOUR"


def test_black_and_white():
    assert refused(encode(Image.fromarray(np.eye(128, dtype=bool)))) == "BAC-DIMENSIONS"


def test_constant():
    assert refused(encode(np.full((128, 128), 9, np.uint8))) == "BAC-PIXELS-CONSTANT"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_thumbnails(kind):
    assert refused(encode(np.eye(63, dtype=np.uint8) * 200, kind)) == "BAC-DIMENSIONS"


def test_decompression_bombs_are_not_inflated(monkeypatch):
    small = bytearray(encode(np.zeros((128, 128), np.uint8)))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    # Width and height of the IHDR chunk: 12,000 x 12,000 and 60,000 x 60,000 pixels.
    for side in (12_000, 60_000):
        small[16:24] = side.to_bytes(4, "big") * 2
        small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
        assert refused(bytes(small)) == "BAC-DIMENSIONS"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_truncated(kind, grey8):
    data = encode(grey8, kind)
    for length in {*range(40), *range(40, len(data) - 300, len(data) // 60)}:
        with pytest.raises(BacctlError) as caught:
            read_mammogram(data[:length], SPACING)
        assert "\n" not in str(caught.value)


def test_a_palette_with_alpha_is_followed(grey8):
    """A palette that counts down: index 0 is white."""
    image = Image.merge("PA", (Image.fromarray(255 - grey8), Image.new("L", grey8.shape[::-1], 255)))
    image.putpalette([value for index in range(256) for value in (255 - index,) * 3])
    check(encode(image, "TIFF"), grey8, 255)


def test_tiffs_that_would_decode_to_something_else(grey16):
    tifffile = pytest.importorskip("tifffile")
    apart = {"photometric": "rgb", "planarconfig": "separate"}
    table = np.stack([np.arange(65535, -1, -1)] * 3).astype(np.uint16)
    for pixels, options, code in (
        (grey16, {"photometric": "palette", "colormap": table}, "BAC-COLOUR"),
        (np.stack([grey16] * 3), apart, "BAC-DIMENSIONS"),
        ((grey16 // 256).astype(np.int8), {}, "BAC-DIMENSIONS"),
    ):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, **options)
        with pytest.raises(RefusedError) as caught:
            read_mammogram(buffer.getvalue(), SPACING)
        assert caught.value.code == code


def test_a_tiff_that_pillow_leaves_is_compressed_by_deflate_or_packbits_alone(grey16):
    """With imagecodecs tifffile would decode thirty more, which nobody has tried on damaged files."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    for compression in ("none", "zlib", "packbits", "lzw", "zstd", "jpeg2000", "webp"):
        buffer = io.BytesIO()
        pixels = (grey16 // 256).astype(np.uint8) if compression == "webp" else grey16
        if compression == "webp":
            pixels = np.stack([pixels] * 3, axis=-1)
        tifffile.imwrite(buffer, pixels, bigtiff=True, byteorder=">", compression=compression)
        if compression in ("none", "zlib", "packbits"):
            check(buffer.getvalue(), grey16, 65535)
        else:
            with pytest.raises(FailedError, match=r"^BAC-CODEC-MISSING: this compression of TIFF"):
                read_mammogram(buffer.getvalue(), SPACING)


def test_a_tiff_may_hold_a_jpeg(grey8):
    assert "BAC-W-LOSSY" in codes(read_mammogram(encode(grey8, "TIFF", compression="jpeg"), SPACING))
    assert "BAC-W-LOSSY" not in codes(read_mammogram(encode(grey8, "TIFF"), SPACING))


def picture(breast_share, frame=0, edge=0):
    """A half-round breast on dark film, 8 bits, with a white frame or bright film edges."""
    row, column = np.mgrid[:400, :320]
    inside = (row - 200) ** 2 + column**2 < (320 * breast_share) ** 2
    noise = np.random.default_rng(3).integers(0, 12, inside.shape)
    grey = np.where(inside, 110 + column // 8, 10) + noise
    if edge:
        grey[:edge], grey[-edge:], grey[:, -edge:] = 240, 240, 240
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    return np.pad(grey, frame, constant_values=255), np.pad(inside, frame)


@pytest.mark.parametrize("share", [0.35, 0.5, 0.62])
@pytest.mark.parametrize("frame", [0, 12])
@pytest.mark.parametrize("inverted", [False, True])
def test_an_inverted_breast_is_turned_and_an_upright_one_is_not(share, frame, inverted):
    grey, inside = picture(share)
    grey = np.pad(255 - grey if inverted else grey, frame, constant_values=255)
    inside = np.pad(inside, frame)
    image = read_mammogram(encode(grey), SPACING)
    assert ("BAC-W-POLARITY-CONFLICT" in codes(image)) == inverted
    air = ~inside
    border = np.ones_like(air)
    border[frame + 5 : -frame - 5, frame + 5 : -frame - 5] = False
    air &= ~border
    assert image.signal[inside].mean() > image.signal[air].mean() + 0.2


@pytest.mark.parametrize("frame", [0, 12])
def test_a_breast_that_fills_the_image_is_not_turned(frame):
    grey, inside = picture(0.9, frame)
    image = read_mammogram(encode(grey), SPACING)
    expected = (grey - float(grey.min())) / float(np.ptp(grey))
    np.testing.assert_allclose(image.signal, expected, atol=1e-6)
    assert inside.mean() > 0.5


@pytest.mark.parametrize("frame", [0, 12])
def test_one_dark_corner_beside_a_large_breast_turns_nothing(frame):
    row, column = np.mgrid[:400, :320]
    inside = (row - 400) ** 2 + column**2 < 400**2
    noise = np.random.default_rng(3).integers(0, 12, inside.shape)
    grey = np.pad(np.where(inside, 120 + column // 8, 10) + noise, frame, constant_values=255)
    image = read_mammogram(encode(grey.astype(np.uint8)), SPACING)
    assert image.signal[frame + 300, frame + 50] > image.signal[frame + 20, frame + 300]


def test_bright_edges_of_a_film_turn_nothing():
    grey, inside = picture(0.6, edge=12)
    image = read_mammogram(encode(grey), SPACING)
    assert image.signal[200, 40] > image.signal[40, 280]
    assert inside[200, 40]


@pytest.mark.parametrize("name", ["film_negative_1.jpg", "film_negative_2.jpg", "cbis_p00646_left_cc.png"])
def test_real_films_are_not_turned(name, mammograms):
    # One has bright edges on three sides, one a white frame.
    data = (mammograms / name).read_bytes()
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    image = read_mammogram(data, (0.07, 0.07))
    assert np.corrcoef(image.signal[::16, ::16].ravel(), grey[::16, ::16].ravel())[0, 1] > 0.99


def test_a_real_film_that_was_inverted_is_turned(mammograms):
    with Image.open(mammograms / "film_negative_1.jpg") as image:
        grey = np.asarray(image.convert("L").reduce(4))
    turned = read_mammogram(encode(255 - grey), (0.2, 0.2))
    assert "BAC-W-POLARITY-CONFLICT" in codes(turned)
    assert np.corrcoef(turned.signal.ravel(), grey.ravel())[0, 1] > 0.99
