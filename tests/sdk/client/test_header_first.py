"""What a header can refuse is refused before its pixels are sent anywhere."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from bac_imaging.read import dataset, reader
from bacctl import Client, RefusedError
from bacctl.client import payload
from bacctl.testing import FakeServer


def mammogram(syntax: str = ExplicitVRLittleEndian, frames: int = 1, **header: Any) -> bytes:
    """Write a raw image of 80 x 70 pixels; header elements may be given by keyword, None takes one away."""
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    image.SOPInstanceUID, image.StudyInstanceUID = "1.2.3", "1.2.4"
    image.Modality, image.PresentationIntentType = "MG", "FOR PROCESSING"
    image.ImageLaterality, image.ViewPosition = "L", "CC"
    image.Rows, image.Columns = 80, 70
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.ImagerPixelSpacing = [0.2, 0.2]
    for name, value in header.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    image.PixelData = bytes(2 * 80 * 70 * frames)
    image["PixelData"].VR = "OW"
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def as_of_a_real_server(fake: FakeServer) -> Client:
    """Return a client that judges headers, as all do but those of a fake server."""
    client = fake.client()
    client._core.judges_headers = True
    return client


def tomosynthesis(syntax: str = ExplicitVRLittleEndian) -> bytes:
    return mammogram(syntax, 3, SOPClassUID=BreastTomosynthesisImageStorage, NumberOfFrames=3)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "tomosynthesis": (tomosynthesis, "BAC-TOMOSYNTHESIS"),
    "implicit": (lambda: tomosynthesis(ImplicitVRLittleEndian), "BAC-TOMOSYNTHESIS"),
    "big endian": (lambda: tomosynthesis(ExplicitVRBigEndian), "BAC-TOMOSYNTHESIS"),
    "deflated": (lambda: tomosynthesis(DeflatedExplicitVRLittleEndian), "BAC-TOMOSYNTHESIS"),
    "no preamble": (lambda: tomosynthesis()[132:], "BAC-TOMOSYNTHESIS"),
    "frames": (lambda: mammogram(frames=2, NumberOfFrames=2), "BAC-MULTIFRAME"),
    "other modality": (lambda: mammogram(Modality="CT"), "BAC-MODALITY"),
    "spot": (lambda: mammogram(PaddleDescription="SPOT COMPRESSION"), "BAC-VIEW-SPOT"),
    "no spacing": (lambda: mammogram(ImagerPixelSpacing=None), "BAC-SPACING-MISSING"),
    "size": (lambda: mammogram(Rows=40000), "BAC-DIMENSIONS"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_here_and_in_the_words_of_the_server(kind: str) -> None:
    make, code = REFUSED[kind]
    data = make()
    fake = FakeServer()
    with as_of_a_real_server(fake) as client, pytest.raises(RefusedError) as caught:
        client.analyze(data)
    assert fake.requests == []
    assert caught.value.code == code
    with pytest.raises(RefusedError) as there:
        reader.read_mammogram(data)
    assert str(caught.value) == str(there.value)
    assert caught.value.triton_status == "INVALID_ARGUMENT"
    assert caught.value.sop_instance_uid == "1.2.3"


def test_refused_in_an_event_loop_too() -> None:
    fake = FakeServer()

    async def main() -> list[str | None]:
        async with fake.async_client() as client:
            client._core.judges_headers = True
            return [image.code async for image in client.analyze_many([tomosynthesis(), mammogram()])]

    assert sorted(asyncio.run(main()), key=str) == ["BAC-TOMOSYNTHESIS", None]
    assert len(fake.requests) == 1


def test_a_spacing_that_is_given_counts() -> None:
    fake = FakeServer()
    with as_of_a_real_server(fake) as client:
        data = mammogram(ImagerPixelSpacing=None)
        assert client.analyze(data, 0.2).status == "ok"
        with pytest.raises(RefusedError, match="BAC-SPACING-CONFLICT"):
            client.analyze(mammogram(), 0.1)


def film(frames: int, kind: str, size: tuple[int, int] = (90, 80)) -> bytes:
    stream = io.BytesIO()
    pages = [Image.fromarray(np.full(size, 40 * page + 1, np.uint8)) for page in range(frames)]
    pages[0].save(stream, kind, save_all=frames > 1, append_images=pages[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (film(2, "TIFF"), "BAC-MULTIFRAME"),
        (film(1, "PNG", (20, 80)), "BAC-DIMENSIONS"),
        (film(1, "JPEG", (20, 80)), "BAC-DIMENSIONS"),
    ],
)
def test_plain_images(data: bytes, code: str) -> None:
    fake = FakeServer()
    with as_of_a_real_server(fake) as client, pytest.raises(RefusedError, match=code):
        client.analyze(data, 0.1)
    assert fake.requests == []


def test_a_limit_that_the_program_set_in_pillow_refuses_no_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    fake = FakeServer()
    with as_of_a_real_server(fake) as client:
        assert client.analyze(film(1, "PNG"), 0.1).status == "ok"
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        mammogram(),
        mammogram()[:300],  # cut off within the header
        tomosynthesis()[:-30_000].partition(b"\xe0\x7f\x10\x00")[0],  # and before the pixels
        bytes(128) + b"DICM" + b"\xff" * 500,
        b"anything",
        film(1, "PNG"),
    ],
)
def test_what_the_header_does_not_refuse_is_sent(data: bytes) -> None:
    fake = FakeServer()
    with as_of_a_real_server(fake) as client:
        assert client.analyze(data).status == "ok"
    assert len(fake.requests) == 1


def test_a_file_of_more_than_any_mammogram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", 9_000)
    fake = FakeServer()
    with as_of_a_real_server(fake) as client:
        with pytest.raises(RefusedError, match="BAC-FILE-TOO-LARGE"):
            client.analyze(mammogram())
        # What it is says more than how much of it there is.
        with pytest.raises(RefusedError, match="BAC-TOMOSYNTHESIS"):
            client.analyze(tomosynthesis())
    assert fake.requests == []


def test_clients_of_servers_judge_headers_and_those_of_a_fake_one_do_not() -> None:
    with Client("127.0.0.1:1") as client:
        assert client._core.judges_headers
    fake = FakeServer()
    with fake.client() as client:
        assert client.analyze(tomosynthesis()).status == "ok"
    assert len(fake.requests) == 1


_WITHOUT_SCIPY = """
import sys
sys.modules["scipy"] = None
from bac_terms.errors import RefusedError
from bac_imaging.read.reader import refuse_header
for name in sys.argv[1:]:
    try:
        refuse_header(open(name, "rb").read())
    except RefusedError as refusal:
        print(refusal.code)
"""


def test_headers_are_judged_where_only_the_sdk_is_installed(tmp_path: Path) -> None:
    """scipy comes with the extras; an application that embeds the SDK alone has none."""
    files = {"tomosynthesis.dcm": tomosynthesis(), "small.png": film(1, "PNG", (20, 80))}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = subprocess.run(
        [sys.executable, "-c", _WITHOUT_SCIPY, *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["BAC-TOMOSYNTHESIS", "BAC-DIMENSIONS"]


def test_no_more_is_inflated_than_a_header_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundred kilobytes may become gigabytes: how many, the server finds out within its bounds."""
    monkeypatch.setattr(dataset, "HEADER_BYTES", 100_000)
    monkeypatch.setattr(payload, "_HEADER_BYTES", 100_000)
    data = mammogram(DeflatedExplicitVRLittleEndian, 1000, SOPClassUID=BreastTomosynthesisImageStorage)
    pixels = 2 * 80 * 70 * 1000
    assert len(data) < pixels / 100
    fake = FakeServer()
    tracemalloc.start()
    try:
        with as_of_a_real_server(fake) as client, pytest.raises(RefusedError) as caught:
            client.analyze(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.code, caught.value.sop_instance_uid) == ("BAC-TOMOSYNTHESIS", "1.2.3")
    assert peak < pixels / 2


def test_half_a_file_says_where_it_stood() -> None:
    def measure(_: object) -> Any:
        raise RefusedError("BAC-FILE-NOT-IMAGE", "the file is no image", "send one")

    stream = io.BytesIO(mammogram())
    pydicom.dcmread(stream, stop_before_pixels=True)
    position = stream.tell()
    assert position > 0
    with as_of_a_real_server(FakeServer(measure)) as client:
        with pytest.raises(RefusedError, match=rf"stood at byte {position}.* call seek\(0\)"):
            client.analyze(stream)
        stream.seek(0)
        with pytest.raises(RefusedError, match="the file is no image"):
            client.analyze(stream)


def test_a_coroutine_in_place_of_several_images() -> None:
    async def read() -> list[bytes]:
        return []

    with FakeServer().client() as client, pytest.raises(RefusedError, match="await file"):
        client.analyze_many(read())  # type: ignore[arg-type]
