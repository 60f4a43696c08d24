"""The programs of examples/ as a stranger runs them: processes of their own, with the real server."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start Python programs beside the examples; they end with the test."""
    running = []

    def start(*arguments: object, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            cwd=EXAMPLES,
            stdout=(tmp_path / "stdout").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(30)


def until(found: Callable[[], Any], process: subprocess.Popen[str], tmp_path: Path) -> Any:
    """Wait until there is something, as long as the program runs."""
    for _ in range(900):
        value = found()
        if value is not None:
            return value
        assert process.poll() is None, (tmp_path / "stdout").read_text()
        time.sleep(0.1)
    raise AssertionError((tmp_path / "stdout").read_text())


class TestFolderWatcher:
    @pytest.fixture
    def incoming(self, tmp_path: Path) -> Path:
        folder = tmp_path / "incoming"
        folder.mkdir()
        return folder

    def document(self, path: Path, status: str) -> dict[str, Any] | None:
        """Read a result as soon as it is there and says so; what is there is always whole."""
        if not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text())
        return found if found["status"] == status else None

    def test_files_come_whole_and_in_halves(
        self, start: Start, material: Path, incoming: Path, tmp_path: Path
    ) -> None:
        whole = (material / "mammogram.dcm").read_bytes()
        results = tmp_path / "results"
        (incoming / "cut.dcm").write_bytes(whole[:100_000])
        (incoming / ".hidden.dcm").write_bytes(whole)
        (incoming / "folder").mkdir()
        watcher = start("folder_watcher.py", incoming, results)

        cut = until(lambda: self.document(results / "cut.dcm.json", "refused"), watcher, tmp_path)
        assert cut["code"] == "BAC-FILE-TRUNCATED"
        assert cut["intended_use"] == "research use only"
        with (incoming / "cut.dcm").open("ab") as rest:
            rest.write(whole[100_000:])
        shutil.copy(material / "exam" / "RCC.dcm", incoming)
        done = until(lambda: self.document(results / "cut.dcm.json", "ok"), watcher, tmp_path)
        assert done["bac_detected"]
        right = until(lambda: self.document(results / "RCC.dcm.json", "ok"), watcher, tmp_path)
        assert right["laterality"] == "R"

        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(30) == 0
        assert sorted(path.name for path in results.glob("*.json")) == ["RCC.dcm.json", "cut.dcm.json"]
        assert not list(results.glob(".*.part"))
        assert "Traceback" not in (tmp_path / "stdout").read_text()

    def test_files_wait_while_the_server_is_away(
        self, start: Start, material: Path, incoming: Path, tmp_path: Path
    ) -> None:
        shutil.copy(material / "mammogram.dcm", incoming)
        watcher = start("folder_watcher.py", incoming, tmp_path / "results", BACCTL_URL="127.0.0.1:9")
        told = tmp_path / "stdout"
        until(lambda: "BAC-SERVER-UNAVAILABLE" in told.read_text() or None, watcher, tmp_path)
        assert not list((tmp_path / "results").glob("*.json"))


class TestEndpoint:
    def serve(self, start: Start, tmp_path: Path, **variables: str) -> str:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        endpoint = start("-m", "uvicorn", "fastapi_endpoint:app", "--port", port, **variables)
        url = f"http://127.0.0.1:{port}"

        def answers() -> str | None:
            try:
                urllib.request.urlopen(f"{url}/openapi.json", timeout=10)
            except urllib.error.URLError:
                return None
            return url

        return str(until(answers, endpoint, tmp_path))

    def send(self, url: str, data: bytes, query: str = "") -> tuple[int, dict[str, Any]]:
        """Upload a file as a form does."""
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="image"\r\n\r\n'
        request = urllib.request.Request(
            f"{url}/analyze{query}",
            head + data + b"\r\n--b--\r\n",
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_uploads(self, start: Start, material: Path, tmp_path: Path) -> None:
        url = self.serve(start, tmp_path)
        status, result = self.send(url, (material / "mammogram.dcm").read_bytes())
        assert (status, result["status"], result["intended_use"]) == (200, "ok", "research use only")
        assert result["calcium_mass_mg"] > 0
        film = (material / "film.png").read_bytes()
        status, refusal = self.send(url, film)
        assert (status, refusal["code"]) == (422, "BAC-SPACING-MISSING")
        assert refusal["hint"]
        status, _ = self.send(url, film, "?pixel_spacing_mm=0.2")
        assert status == 200

    def test_no_server(self, start: Start, material: Path, tmp_path: Path) -> None:
        url = self.serve(start, tmp_path, BACCTL_URL="127.0.0.1:9")
        status, failure = self.send(url, (material / "film.png").read_bytes())
        assert (status, failure["code"]) == (503, "BAC-SERVER-UNAVAILABLE")
        assert failure["intended_use"] == "research use only"
