"""A node with a client that is not real, and small mammograms whose headers are."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

pytest.importorskip("pynetdicom", reason="needs bacctl[dicom-network]")

from pynetdicom import _config

from bacctl.node import destinations, worker
from bacctl.node.destinations import FolderDestination
from bacctl.node.records import Limits, Made, Rules
from bacctl.node.service import Node, Settings
from bacctl.pacs.peers import Caller
from bacctl.results import ExamResult
from bacctl.testing import FakeServer, Request, make_report

VIEWS = ("LCC", "LMLO", "RCC", "RMLO")
SIDE_PX = 200


def write_image(study: str, view: str, uid: str | None = None, **header: object) -> bytes:
    """Write a raw mammogram of 200 x 200 pixels."""
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    image.SOPInstanceUID = uid or generate_uid(entropy_srcs=[study, view])
    image.StudyInstanceUID = study
    image.SeriesInstanceUID = generate_uid(entropy_srcs=[study])
    image.PatientID, image.PatientName = "PHANTOM-7", "Doe^Jane"
    image.Modality, image.PresentationIntentType = "MG", "FOR PROCESSING"
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.ImageLaterality, image.ViewPosition = view[0], view[1:]
    image.Rows = image.Columns = SIDE_PX
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME1"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LIN", 1
    image.ImagerPixelSpacing = [0.1, 0.1]
    image.PixelData = bytes(2 * SIDE_PX * SIDE_PX)
    for name, value in header.items():
        setattr(image, name, value)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def measure(request: Request) -> Mapping[str, Any]:
    """Report 2 mg on every image, as a server would of this header."""
    header = pydicom.dcmread(io.BytesIO(request.data), stop_before_pixels=True)
    return make_report(
        study_instance_uid=str(header.StudyInstanceUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        laterality=header.ImageLaterality,
        view=header.ViewPosition,
        bac_detected=True,
        calcium_mass_mg=2.0,
        calcium_mass_interval_mg=[1.0, 3.0],
    )


class Running:
    """A node at work, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.server = FakeServer(measure)
        self.said: list[str] = []
        self.node: Node | None = None
        self.port = 0
        self.settings = Settings(
            folder / "queue",
            "BACCTL",
            [Caller("SENDER", "127.0.0.1")],
            Limits(10**9, 0),
            Rules(0.0, 600.0),
            keep_s=3600.0,
            most_associations=4,
        )

    def start(
        self,
        *,
        destinations: Sequence[Any] = (),
        make: Callable[[ExamResult], Sequence[Made]] = lambda exam: [],
        **settings: Any,
    ) -> Running:
        self.settings = replace(self.settings, **settings)
        places = [FolderDestination(self.out), *destinations]
        self.node = Node(self.settings, self.server.client(), make, places, self.said.append)
        self.port = self.node.start("127.0.0.1", 0)
        return self

    def stop(self) -> None:
        if self.node is not None:
            self.node.stop()
            self.node = None

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.out.glob("*.json"))]

    @property
    def counts(self) -> dict[str, int]:
        assert self.node is not None
        return self.node.queue.counts()


@pytest.fixture(autouse=True)
def as_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up pynetdicom as `bacctl.pacs.sending.own_process` does, for the test alone."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    for module in (worker, destinations):  # tests have less time than a node has
        monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.stop()


def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("nothing came")


@pytest.fixture
def exam(tmp_path: Path) -> Callable[..., list[Path]]:
    """Write the four views of an exam into files."""

    def write(number: int, views: Sequence[str] = VIEWS) -> list[Path]:
        paths = []
        for view in views:
            path = tmp_path / f"{number}-{view}.dcm"
            path.write_bytes(write_image(f"2.25.{number}", view))
            paths.append(path)
        return paths

    return write
