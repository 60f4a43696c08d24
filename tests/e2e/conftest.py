"""One real server for all tests that only ask it things, and a small mammogram of each kind."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

from bacctl import Client
from bacctl.server.embedded import EmbeddedServer

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    # Of this process's servers: others' regions, and Ray's, come and go meanwhile.
    own = f"bacctl_{os.getpid()}_*"
    before = set(SHARED_MEMORY.glob(own))
    server = EmbeddedServer(log=log, http_port=0, metrics_port=0)
    with server:
        ours = set(SHARED_MEMORY.glob(own)) - before
        assert ours
        yield server
    assert not [region for region in ours if region.exists()]


@pytest.fixture(scope="session")
def client(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


def _mammogram(**header: object) -> bytes:
    """Write a half-disc breast with a bright tube across it as a raw image, 700 x 480 pixels of 0.15 mm."""
    row, column = np.mgrid[:700, :480]
    radius = np.hypot((row - 350) / 310.0, column / 380.0)
    thickness_cm = 5.0 * np.sqrt(np.clip(1.0 - radius**4, 0.0, 1.0))
    wave = 350 + 60 * np.sin(column / 60.0)
    calcium_g_cm2 = 0.02 * (np.abs(row - wave) < 5) * ((column > 60) & (column < 260))
    noise = np.random.default_rng(5).normal(0.0, 0.01, row.shape)
    exposure = np.exp(-0.5 * thickness_cm - 14.0 * calcium_g_cm2 + noise)
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    image.SOPInstanceUID = generate_uid(entropy_srcs=["image", str(header)])
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    image.Modality = "MG"
    image.PresentationIntentType = "FOR PROCESSING"
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.ImageLaterality, image.ViewPosition = "L", "CC"
    image.Rows, image.Columns = row.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME1"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LIN", 1
    image.ImagerPixelSpacing = [0.15, 0.15]
    image.DistanceSourceToDetector = 660.0
    image.KVP, image.BodyPartThickness = 28.0, 50.0
    image.AnodeTargetMaterial, image.FilterMaterial = "TUNGSTEN", "RHODIUM"
    for name, value in header.items():
        setattr(image, name, value)
    image.PixelData = np.clip(12000 * exposure, 0, 16383).astype("<u2").tobytes()
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture(scope="session")
def mammogram() -> Callable[..., bytes]:
    """Write a small mammogram; header elements may be given by keyword."""
    return _mammogram


@pytest.fixture(scope="session")
def raw_mammogram() -> bytes:
    return _mammogram()
