"""One real server for all snippets and examples, a folder with what they name, and a gateway with TLS."""

from __future__ import annotations

import copy
import io
import os
import selectors
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import trustme
from PIL import Image

from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl.client.canary import canary_image
from bacctl.server.embedded import EmbeddedServer

ROOT = Path(__file__).parents[2]
# Phantoms whose calcium shows in each breast of an exam: the 8th has 8 mg, the 11th 40 mg.
EXAMS = {"exam": 8, "exam_2023": 8, "exam_2026": 11}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(log=tmp_path_factory.mktemp("server") / "server.log") as server:
        yield server


@pytest.fixture(scope="session")
def environment(server: EmbeddedServer) -> dict[str, str]:
    """What a shell of a user holds who keeps a server running."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACCTL_")}
    return {**kept, "PATH": programs, "BACCTL_URL": server.url}


def _breast(number: int) -> pydicom.Dataset:
    """Make a phantom of the set for quality assurance, a left breast of 1350 x 1000 pixels."""
    spec = next(spec for spec in qa_specs() if spec.number == number)
    return pydicom.dcmread(io.BytesIO(make_qa_phantom(spec)))


def _write(breast: pydicom.Dataset, path: Path, year: int, laterality: str) -> None:
    """Write it as one view of an exam of the same woman."""
    view = copy.deepcopy(breast)
    view.PatientID = "PHANTOM"
    view.StudyDate = view.AcquisitionDate = f"{year}0101"
    view.StudyInstanceUID = f"2.25.{year}"
    view.SOPInstanceUID = f"2.25.{year}{'LR'.index(laterality)}"
    view.file_meta.MediaStorageSOPInstanceUID = view.SOPInstanceUID
    view.ImageLaterality = laterality
    if laterality == "R":
        view.PixelData = np.ascontiguousarray(view.pixel_array[:, ::-1]).tobytes()
        view.PatientOrientation = ["P", "L"]
    view.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Path:
    """The files that the pages speak of: one mammogram, a film, exams, a token and an authority."""
    folder = tmp_path_factory.mktemp("material")
    breasts = {number: _breast(number) for number in {*EXAMS.values()}}
    for year, (name, number) in zip((2025, 2023, 2026), EXAMS.items(), strict=True):
        (folder / name).mkdir()
        for laterality in "LR":
            _write(breasts[number], folder / name / f"{laterality}CC.dcm", year, laterality)
    (folder / "mammogram.dcm").write_bytes((folder / "exam" / "LCC.dcm").read_bytes())
    (folder / "film.png").write_bytes(canary_image())
    corrected = np.zeros((1350, 1000), np.uint8)
    corrected[670:682, 150:350] = 255
    Image.fromarray(corrected).save(folder / "corrected.png")
    (folder / "token.txt").write_text("a-token\n")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def gateway(server: EmbeddedServer, authority: trustme.CA) -> Iterator[str]:
    """Speak TLS at an address of its own and hand on to the server, as gateways do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])  # gRPC insists
    authority.issue_cert("localhost").configure_cert(context)
    host, _, port = server.url.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            plain, _ = listener.accept()
            with plain, socket.create_connection((host, int(port))) as onward:
                try:
                    with context.wrap_socket(plain, server_side=True) as inward:
                        _pump(inward, onward)
                except OSError:
                    continue  # the caller looked in and left

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"localhost:{listener.getsockname()[1]}"
    ended.set()
    socket.create_connection(listener.getsockname()).close()
    thread.join(10)
    listener.close()


def _pump(inward: ssl.SSLSocket, onward: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(inward, selectors.EVENT_READ, onward)
        selector.register(onward, selectors.EVENT_READ, inward)
        while True:
            for key, _ in selector.select():
                source, other = key.fileobj, key.data
                data = source.recv(1 << 16)
                if not data:
                    return
                other.sendall(data)
                while source is inward and inward.pending():
                    onward.sendall(inward.recv(1 << 16))
