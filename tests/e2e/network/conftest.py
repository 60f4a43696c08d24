"""A real Orthanc with DICOMweb, and nodes as processes of their own."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import requests

from bacctl.server.embedded import EmbeddedServer

pytest.importorskip("pynetdicom", reason="needs bacctl[dicom-network]")

from pynetdicom import _config

PROGRAM = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
EXAMPLE = Path(__file__).parents[3] / "examples" / "orthanc"
VIEWS = ("LCC", "LMLO", "RCC", "RMLO")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(found: Callable[[], Any], seconds: float = 200.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("nothing came")


class Orthanc:
    """An Orthanc of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.dicom_port, self.node_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.web = f"{self.url}/dicom-web"
        self.peer = f"ORTHANC@127.0.0.1:{self.dicom_port}"

    def start(self, **settings: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        document = {
            "Name": "test",
            "StorageDirectory": str(self.folder / "store"),
            "IndexDirectory": str(self.folder / "store"),
            "HttpPort": self.port,
            "DicomPort": self.dicom_port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomModalities": {"bacctl": ["BACCTL", "127.0.0.1", self.node_port]},
            "DicomAssociationCloseDelay": 0,
            "StableAge": 1,
            **settings,
        }
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(document))
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen([str(PROGRAM), path], stdout=self.log, stderr=subprocess.STDOUT)

        def answers() -> bool:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                return requests.get(f"{self.url}/system", timeout=5).ok
            except requests.ConnectionError:
                return False

        until(answers)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def add(self, data: bytes) -> None:
        requests.post(f"{self.url}/instances", data=data, timeout=60).raise_for_status()

    def instances(self, study: str) -> dict[str, str]:
        """Return SOP classes by SOP instance of what DICOMweb lists of a study."""
        rows = requests.get(
            f"{self.web}/studies/{study}/instances",
            params={"includefield": "00080016"},
            headers={"Accept": "application/dicom+json"},
            timeout=60,
        ).json()
        return {row["00080018"]["Value"][0]: row["00080016"]["Value"][0] for row in rows}

    def dataset(self, uid: str) -> pydicom.Dataset:
        """Return an instance as it is stored, without its pixels."""
        (found,) = requests.post(f"{self.url}/tools/lookup", data=uid, timeout=60).json()
        data = requests.get(f"{self.url}/instances/{found['ID']}/file", timeout=60).content
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)

    def send(self, study: str) -> None:
        """Have it send a study to the node."""
        found = requests.post(
            f"{self.url}/tools/find",
            json={"Level": "Study", "Query": {"StudyInstanceUID": study}},
            timeout=60,
        ).json()
        requests.post(
            f"{self.url}/modalities/bacctl/store", json={"Resources": found}, timeout=120
        ).raise_for_status()


@pytest.fixture(autouse=True)
def as_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up pynetdicom as `bacctl.pacs.sending.own_process` does, for the test alone."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)


@pytest.fixture(scope="session")
def small_mammogram(mammogram: Callable[..., bytes]) -> Callable[..., bytes]:
    """Write a mammogram a quarter as large: it is one tile, and costs the server little."""

    def write(**header: object) -> bytes:
        image = pydicom.dcmread(io.BytesIO(mammogram(**header)))
        image.PixelData = np.ascontiguousarray(image.pixel_array[::2, ::2]).tobytes()
        image.Rows, image.Columns = image.Rows // 2, image.Columns // 2
        image.ImagerPixelSpacing = [0.15, 0.15]
        stream = io.BytesIO()
        image.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return write


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if PROGRAM is None or not PLUGIN.exists():
        pytest.skip("Orthanc and its DICOMweb plugin are not installed")
    one = Orthanc(tmp_path_factory.mktemp("orthanc"))
    one.start()
    yield one
    one.stop()


class NodeProcess:
    """``bacctl dicom listen`` as a user runs it."""

    def __init__(self, folder: Path, port: int, arguments: list[object]) -> None:
        self.folder, self.port, self.out = folder, port, folder / "out"
        self.command = [
            str(Path(sys.executable).with_name("bacctl")),
            *("dicom", "listen", "--port", str(port), "--queue", str(folder / "queue"), "--json"),
            *("--out", str(self.out), "--settle", "0", *map(str, arguments)),
        ]
        self.log = folder / "node.log"
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "{\n", self.log.read_text()
        while self.process.stdout.readline() != "}\n":
            pass

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.out.glob("*.json"))]


@pytest.fixture
def node(tmp_path: Path, server: EmbeddedServer) -> Iterator[Callable[..., NodeProcess]]:
    """Start nodes that call the real server; they end with the test."""
    running: list[NodeProcess] = []

    def start(*arguments: object, port: int | None = None) -> NodeProcess:
        one = NodeProcess(tmp_path, port or free_port(), ["--url", server.url, *arguments])
        running.append(one)
        return one

    yield start
    for one in running:
        if one.process.poll() is None:
            one.kill()
