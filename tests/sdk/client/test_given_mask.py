"""An outline to be weighed: read from SEG and PNG, and refused where it cannot be of the image."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tests.sdk.outputs.conftest import SHAPE, STUDY, Make, make_exam  # noqa: F401  # a fixture

from bac_imaging.given import unpacked
from bac_terms.errors import IncompatibleServerError, RefusedError
from bacctl.client.given_mask import outline_option
from bacctl.testing import FakeServer, Request, make_report

highdicom = pytest.importorskip("highdicom")


def drawn() -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[100:104, 40:90] = True
    return mask


def png(values: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def files(make_exam: Make) -> list[bytes]:  # noqa: F811
    """Return a left CC and a left MLO of one study."""
    return [image.path.read_bytes() for image in make_exam(("LCC", "LMLO")).images if image.path]


def seg_of(file: bytes, mask: npt.NDArray[np.bool_], **values: Any) -> bytes:
    """Write a SEG with highdicom, as others would."""
    import pydicom
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    image = pydicom.dcmread(io.BytesIO(file))
    for keyword in ("PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(image, keyword, "")
    for keyword in ("ReferringPhysicianName", "SeriesInstanceUID"):
        setattr(image, keyword, "1.2.3" if keyword.endswith("UID") else "")
    segment = SegmentDescription(
        1,
        "reader",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.VascularCalcification,
        "MANUAL",
    )
    seg = Segmentation(
        [image],
        mask.astype(np.uint8),
        values.get("kind", "BINARY"),
        [segment],
        "1.2.3.5",
        1,
        "1.2.3.6",
        1,
        "reader",
        "workstation",
        "1",
        "1",
    )
    stream = io.BytesIO()
    seg.save_as(stream)
    return stream.getvalue()


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(RefusedError) as refused:
        call()
    return refused.value.code


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_seg_of_the_image(files: list[bytes], kind: str) -> None:
    option = outline_option(seg_of(files[0], drawn(), kind=kind), files[0])
    assert (option["rows"], option["columns"]) == SHAPE
    np.testing.assert_array_equal(unpacked(option["bits"], SHAPE), drawn())


@pytest.mark.parametrize(
    "values", [drawn(), drawn().astype(np.uint8), drawn().astype(np.uint8) * 255, drawn().astype(np.uint16)]
)
def test_a_png_of_any_depth(values: npt.NDArray[Any], files: list[bytes]) -> None:
    option = outline_option(png(values), files[0])
    np.testing.assert_array_equal(unpacked(option["bits"], SHAPE), drawn())


def test_what_cannot_be_its_mask(files: list[bytes]) -> None:
    image, other = files
    assert code_of(lambda: outline_option(seg_of(other, drawn()), image)) == "BAC-MASK-OTHER-IMAGE"
    assert code_of(lambda: outline_option(png(drawn() & False), image)) == "BAC-MASK-EMPTY"
    coloured = np.zeros((*SHAPE, 3), np.uint8)
    assert code_of(lambda: outline_option(png(coloured), image)) == "BAC-MASK-UNREADABLE"
    assert code_of(lambda: outline_option(image, image)) == "BAC-MASK-UNREADABLE"
    assert code_of(lambda: outline_option(b"no picture", image)) == "BAC-MASK-UNREADABLE"
    assert code_of(lambda: outline_option(png(drawn())[:60], image)) == "BAC-MASK-UNREADABLE"
    assert code_of(lambda: outline_option(drawn().astype(int), image)) == "BAC-MASK-UNREADABLE"


def test_a_seg_cut_off_is_told(files: list[bytes]) -> None:
    seg = seg_of(files[0], drawn())
    assert code_of(lambda: outline_option(seg[:-200], files[0])) == "BAC-MASK-UNREADABLE"


def test_it_reaches_the_server_and_is_marked(files: list[bytes]) -> None:
    seen: list[Request] = []

    def measure(request: Request) -> dict[str, Any]:
        seen.append(request)
        return make_report(outline_source="given")

    with FakeServer(measure).client() as client:
        assert client.weigh(files[0], drawn()).outline_source == "given"
    options = seen[0].options
    assert options is not None
    np.testing.assert_array_equal(unpacked(options["mask"]["bits"], SHAPE), drawn())


def test_a_server_that_weighs_what_it_found_itself_is_not_believed(files: list[bytes]) -> None:
    with FakeServer().client() as client, pytest.raises(IncompatibleServerError):
        client.weigh(files[0], drawn())
