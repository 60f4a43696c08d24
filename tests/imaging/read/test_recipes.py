"""A phantom of known calcium, changed as files from the field are: no wrong mass without a word."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid

from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.pipeline import prepare, quantify, to_working_mask
from bac_phantom import PhantomConfig, View, make_woman
from bac_terms.report import ImageReport

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def view() -> View:
    """The left CC view of the woman of seed 7, FOR PROCESSING."""
    return make_woman(7, PhantomConfig(look="raw")).views[0]


def measured(view: View, change: Any = None, mask: Any = None) -> ImageReport:
    """Measure a view with its true outlines, after a change of its dataset."""
    ds = pydicom.dcmread(io.BytesIO(view.encode()))
    if change is not None:
        change(ds)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    prepared = prepare(buffer.getvalue())
    working = to_working_mask(view.mask if mask is None else mask, prepared.context)
    tiles, _ = cut_tiles(working.astype(np.float32) * np.float32(0.97), prepared.breast)
    return quantify(tiles, prepared.signal, prepared.context).report


def codes(report: ImageReport) -> set[str]:
    return {warning.code for warning in report.warnings}


@pytest.fixture(scope="module")
def plain(view: View) -> ImageReport:
    return measured(view)


def test_the_view_as_it_is(view: View, plain: ImageReport) -> None:
    assert plain.mass_basis == "calibrated"
    assert plain.calcium_mass_mg == pytest.approx(view.calcium_mass_mg, rel=0.1)


def test_a_grid_in_a_word_of_its_own(view: View, plain: ImageReport) -> None:
    def set_grid(value: Any) -> Any:
        return lambda ds: setattr(ds, "Grid", value)

    without = measured(view, set_grid("NONE"))
    assert without.calcium_mass_mg > 1.5 * plain.calcium_mass_mg
    unknown = measured(view, set_grid(["RECIPROCATING", "NONE"]))
    assert unknown.mass_basis == "estimated"
    assert {"BAC-W-HEADER-UNLISTED", "BAC-W-GRID-ASSUMED", "BAC-W-MASS-ESTIMATED"} <= codes(unknown)
    # The interval holds both readings.
    low, high = unknown.calcium_mass_interval_mg
    assert low < plain.calcium_mass_mg < without.calcium_mass_mg < high


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_an_overlay_in_a_compressed_stream(syntax: uid.UID, view: View, plain: ImageReport) -> None:
    def draw(ds: pydicom.Dataset) -> None:
        stored, high = ds.BitsStored, ds.HighBit
        pixels = ds.pixel_array.copy()
        pixels[view.mask] |= np.uint16(1 << 15)
        ds.PixelData = pixels.tobytes()
        ds.BitsStored, ds.HighBit = 16, 15
        ds.compress(syntax, generate_instance_uid=False)
        ds.BitsStored, ds.HighBit = stored, high

    def declare(ds: pydicom.Dataset) -> None:
        draw(ds)
        ds.add_new(0x60000100, "US", 16)  # OverlayBitsAllocated
        ds.add_new(0x60000102, "US", 15)  # OverlayBitPosition

    report = measured(view, declare)
    assert report.mass_basis == "calibrated"
    assert report.calcium_mass_mg == pytest.approx(plain.calcium_mass_mg, rel=1e-6)
    # Without it the bits may as well be the values', cut off by a wrong header.
    undeclared = measured(view, draw)
    assert undeclared.mass_basis == "estimated"
    assert "BAC-W-PIXELS-DOUBTFUL" in codes(undeclared)


def test_a_resized_image_with_its_old_header(view: View) -> None:
    def halve(ds: pydicom.Dataset) -> None:
        rows, columns = ds.Rows // 2, ds.Columns // 2
        cells = ds.pixel_array[: rows * 2, : columns * 2].reshape(rows, 2, columns, 2)
        ds.Rows, ds.Columns = rows, columns
        ds.PixelData = cells.mean(axis=(1, 3)).round().astype(np.uint16).tobytes()

    report = measured(view, halve, view.mask[::2, ::2])
    assert report.calcium_mass_mg < 0.4 * view.calcium_mass_mg
    assert report.mass_basis == "estimated"
    assert "BAC-W-SIZE-UNUSUAL" in codes(report)


def test_an_unlisted_maker_is_told(view: View) -> None:
    report = measured(view, lambda ds: setattr(ds, "Manufacturer", "Somebody"))
    assert report.mass_basis == "calibrated"
    assert "BAC-W-SIZE-UNCHECKED" in codes(report)


def test_what_the_header_leaves_out_of_the_beam_is_told(view: View) -> None:
    def leave_out(ds: pydicom.Dataset) -> None:
        del ds.DetectorType

    report = measured(view, leave_out)
    assert report.mass_basis == "calibrated"
    assert "BAC-W-BEAM-ASSUMED" in codes(report)
