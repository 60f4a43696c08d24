"""Which unit took an image: what the header tells, hashed where it is a number of a device."""

from __future__ import annotations

from hashlib import sha256

import pytest

from bac_imaging.read.reader import read_mammogram
from bac_terms.device import Device


def test_all_of_it(dataset, to_bytes):
    image = read_mammogram(
        to_bytes(
            dataset(
                Manufacturer="GE MEDICAL SYSTEMS ",
                ManufacturerModelName="Senographe Essential",
                SoftwareVersions=["Ads Application 52.10", "Ads Platform 51.1"],
                DetectorID="PB1234-5",
            )
        )
    )
    assert image.device == Device(
        "GE MEDICAL SYSTEMS",
        "Senographe Essential",
        "Ads Application 52.10; Ads Platform 51.1",
        sha256(b"GE MEDICAL SYSTEMS\nPB1234-5").hexdigest()[:16],
    )
    assert "PB1234-5" not in repr(image.device)


def test_nothing_told_is_nothing(dataset, to_bytes):
    assert read_mammogram(to_bytes(dataset())).device is None
    named_nothing = dataset(Manufacturer="", ManufacturerModelName="UNKNOWN", DetectorID="0000")
    assert read_mammogram(to_bytes(named_nothing)).device is None


def test_a_plain_image_has_no_unit(ramp):
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.fromarray((ramp // 16).astype("uint8")).save(stream, format="PNG")
    assert read_mammogram(stream.getvalue(), (0.1, 0.1)).device is None


@pytest.mark.filterwarnings("ignore:The value length")
def test_what_a_header_may_hold_stays_one_short_line(dataset, to_bytes):
    hostile = dataset(ManufacturerModelName="A\x1b[2J\r\nB" + "x" * 300)
    model = read_mammogram(to_bytes(hostile)).device.model
    assert model is not None
    assert len(model) <= 64
    assert model.isprintable()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["P", "L"], ("P", "L")),
        (["A", "FR"], ("A", "FR")),
        ("MLO", None),
        (["P", "AP"], None),
        (["P", "LX"], None),
        (["P", "L", "H"], None),
        (None, None),
    ],
)
def test_where_rows_and_columns_lead(dataset, to_bytes, given, read):
    assert read_mammogram(to_bytes(dataset(PatientOrientation=given))).orientation == read
