"""What a node answers, to pynetdicom's and dcmtk's senders."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from bac_imaging.read.attributes import acceptance
from bacctl.node import listener
from bacctl.node.records import Limits, Rules
from bacctl.pacs.peers import Caller, Peer
from bacctl.pacs.sending import Sent, echo, read_item, send

from .conftest import Running, until, write_image

dcmtk = pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")
Exam = Callable[..., list[Path]]


def deliver(running: Running, paths: list[Path], title: str = "SENDER") -> list[Sent]:
    peer = Peer("BACCTL", "127.0.0.1", running.port)
    return send([read_item(path) for path in paths], peer, title)


def by_dcmtk(tool: str, running: Running, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [tool, "-aet", "SENDER", "-aec", "BACCTL", "127.0.0.1", str(running.port), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_an_exam_is_measured_as_soon_as_its_four_views_are_there(running: Running, exam: Exam) -> None:
    running.start()
    assert [sent.status for sent in deliver(running, exam(1))] == [0] * 4
    document = until(running.documents)[0]
    assert document["exams"][0]["complete"]
    assert document["exams"][0]["study_instance_uid"] == "2.25.1"
    # Mean of both views of a breast, sum of both breasts: 2 + 2.
    assert document["exams"][0]["calcium_mass_mg"] == pytest.approx(4.0)
    assert len(running.server.requests) == 4
    said = "\n".join(running.said)
    assert "Doe" not in said
    assert "PHANTOM" not in said


@dcmtk
def test_dcmtk_is_served(running: Running, exam: Exam) -> None:
    running.start()
    assert by_dcmtk("echoscu", running).returncode == 0
    done = by_dcmtk("storescu", running, *exam(1))
    assert done.returncode == 0, done.stderr
    assert until(running.documents)[0]["exams"][0]["complete"]


def test_missing_views_are_waited_for_and_then_done_without(running: Running, exam: Exam) -> None:
    running.start(rules=Rules(0.0, 0.5))
    deliver(running, exam(1, ["LCC", "RCC"]))
    first = until(running.documents)[0]["exams"][0]
    assert sorted(first["missing_views"]) == ["LMLO", "RMLO"]
    # The other views come later, be it an hour: the exam is measured anew, with all of them.
    deliver(running, exam(1, ["LMLO", "RMLO"]))
    documents = until(lambda: running.documents() if len(running.documents()) == 2 else None)
    assert documents[1]["exams"][0]["missing_views"] == []
    assert sorted(path.name for path in running.out.iterdir()) == ["2.25.1.1.json", "2.25.1.2.json"]


def test_views_are_waited_for(running: Running, exam: Exam) -> None:
    running.start(rules=Rules(0.0, 600.0))
    deliver(running, exam(1, ["LCC", "LMLO", "RCC"]))
    deliver(running, exam(2))
    until(running.documents)
    assert running.counts["due"] == 1
    assert [document["exams"][0]["study_instance_uid"] for document in running.documents()] == ["2.25.2"]


def test_the_same_image_twice_is_kept_once(running: Running, exam: Exam) -> None:
    running.start()
    paths = exam(1)
    deliver(running, paths)
    until(running.documents)
    assert [sent.outcome for sent in deliver(running, paths)] == ["stored"] * 4
    assert running.counts["images"] == 4
    assert running.counts["due"] == 0


def test_another_image_of_the_same_uid_is_named_and_the_first_kept(
    running: Running, exam: Exam, tmp_path: Path
) -> None:
    running.start()
    paths = exam(1, ["LCC"])
    deliver(running, paths)
    uid = pydicom.dcmread(paths[0]).SOPInstanceUID
    other = tmp_path / "other.dcm"
    other.write_bytes(write_image("2.25.1", "LCC", uid, PixelData=b"\x01" * 80000))
    (sent,) = deliver(running, [other])
    assert (sent.outcome, sent.status) == ("refused", 0x0111)
    assert "BAC-NODE-UID-REPEATED" in sent.reason
    assert any("BAC-NODE-UID-REPEATED" in line for line in running.said)
    (kept,) = (running.settings.folder / "images").iterdir()
    assert pydicom.dcmread(kept).PixelData == pydicom.dcmread(paths[0]).PixelData


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}, 0x0122),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.30", "Modality": "OT"}, 0x0122),  # a parametric map
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "US"}, 0xA900),
        ({"StudyInstanceUID": ""}, 0xC000),
        ({"StudyInstanceUID": "../../etc/passwd"}, 0xC000),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_what_is_no_mammogram_of_a_study_is_refused_by_status_and_the_rest_kept(
    running: Running, exam: Exam, tmp_path: Path, header: dict[str, Any], status: int
) -> None:
    running.start()
    other = tmp_path / "other.dcm"
    other.write_bytes(write_image("2.25.9", "LCC", "2.25.99", **header))
    paths = exam(1)
    sent = deliver(running, [*paths[:2], other, *paths[2:]])
    assert {each.path: each.status for each in sent} == {**dict.fromkeys(paths, 0), other: status}
    assert ("BAC-NODE-OBJECT" in sent[2].reason) == (status == 0xC000)
    until(running.documents)
    assert running.counts["images"] == 4


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_no_file_is_named_by_a_peer(running: Running, tmp_path: Path) -> None:
    running.start()
    path = tmp_path / "odd.dcm"
    path.write_bytes(write_image("2.25.1", "LCC", "../../../tmp/odd"))
    (sent,) = deliver(running, [path])
    assert (sent.outcome, sent.status) == ("refused", 0x0117)
    assert list((running.settings.folder / "images").iterdir()) == []


def test_an_object_that_is_not_the_one_announced_is_refused(running: Running, tmp_path: Path) -> None:
    running.start()
    data = write_image("2.25.1", "LCC", "2.25.77")
    # Only the file meta information, which the request is made of: the first of the two.
    path = tmp_path / "renamed.dcm"
    path.write_bytes(data.replace(b"2.25.77", b"2.25.78", 1))
    (sent,) = deliver(running, [path])
    assert sent.status == 0xA900


class TestCallers:
    def test_who_is_not_listed_is_turned_away(self, running: Running, exam: Exam) -> None:
        running.start()
        results = deliver(running, exam(1), title="STRANGER")
        assert {sent.outcome for sent in results} == {"failed"}
        assert "does not let STRANGER in" in results[0].reason
        assert any(line.startswith("STRANGER@127.0.0.1: not listed as a caller") for line in running.said)
        assert running.counts["images"] == 0

    def test_the_address_counts_too(self, running: Running, exam: Exam) -> None:
        running.start(callers=[Caller("SENDER", "192.0.2.1")])
        assert {sent.outcome for sent in deliver(running, exam(1))} == {"failed"}

    def test_from_anywhere(self, running: Running) -> None:
        running.start(callers=[Caller("SENDER", None)])
        echo(Peer("BACCTL", "127.0.0.1", running.port), "SENDER")

    @dcmtk
    def test_who_calls_another(self, running: Running) -> None:
        running.start()
        command = ["echoscu", "-aet", "SENDER", "-aec", "OTHER", "127.0.0.1", str(running.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "Called AE Title Not Recognized" in done.stderr
        assert "SENDER@127.0.0.1: calls OTHER, which is not our AE title; turned away" in running.said

    @dcmtk
    def test_nothing_is_found_or_moved(self, running: Running) -> None:
        running.start()
        done = by_dcmtk("findscu", running, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
        assert "No Acceptable Presentation Contexts" in done.stderr + done.stdout


class TestRoom:
    def test_a_queue_that_is_full_acknowledges_nothing(self, running: Running, exam: Exam) -> None:
        paths = exam(1)
        running.start(limits=Limits(2 * paths[0].stat().st_size + 100, 0))
        results = deliver(running, paths)
        assert [sent.status for sent in results] == [0, 0, 0xA700, 0xA700]
        assert [sent.outcome for sent in results] == ["stored", "stored", "failed", "failed"]
        assert running.counts["images"] == 2
        assert len(list((running.settings.folder / "images").iterdir())) == 2

    def test_a_disk_that_fills_up_midway(
        self, running: Running, exam: Exam, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running.start()

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        paths = exam(1)
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            assert [sent.status for sent in deliver(running, paths)] == [0xA700] * 4
        assert list((running.settings.folder / "images").iterdir()) == []
        assert [sent.status for sent in deliver(running, paths)] == [0] * 4

    def test_a_real_disk_that_is_full(self, running: Running, exam: Exam) -> None:
        disk = running.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
        try:
            running.start(folder=disk / "queue")
            results = deliver(running, exam(1))  # of 81 kB each, beside the journal
            statuses = [sent.status for sent in results]
            kept = statuses.count(0)
            assert statuses == [0] * kept + [0xA700] * (4 - kept)
            assert kept < 4
            assert running.counts["images"] == kept
            assert len(list((disk / "queue" / "images").iterdir())) == kept
            running.stop()
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_an_object_without_end_is_broken_off(
        self, running: Running, exam: Exam, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "MAX_FILE_BYTES", 40_000)
        running.start()
        (sent,) = deliver(running, exam(1, ["LCC"]))
        assert sent.outcome == "failed"
        assert acceptance.MAX_FILE_BYTES == 512 << 20
        assert any("larger than any mammogram" in line for line in running.said)
        assert running.counts["images"] == 0


class TestPeersThatVanish:
    def test_within_an_object(self, running: Running, exam: Exam) -> None:
        """A sender that is killed between two fragments leaves nothing, and the next one is served."""
        running.start()
        data = exam(1, ["LCC"])[0].read_bytes()
        with socket.create_connection(("127.0.0.1", running.port)) as stream:
            stream.sendall(associate_request())
            assert stream.recv(65536)[0] == 2  # A-ASSOCIATE-AC
            stream.sendall(store_request(data[:4000]))
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert [sent.status for sent in deliver(running, exam(1))] == [0] * 4
        assert running.counts["images"] == 4

    def test_before_anything_is_said(self, running: Running, exam: Exam) -> None:
        running.start()
        for _ in range(5):
            socket.create_connection(("127.0.0.1", running.port)).close()
        assert [sent.status for sent in deliver(running, exam(1))] == [0] * 4

    def test_what_is_no_dicom(self, running: Running, exam: Exam) -> None:
        running.start()
        with socket.create_connection(("127.0.0.1", running.port)) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")
            stream.settimeout(20)
            stream.recv(1000)
        assert [sent.status for sent in deliver(running, exam(1))] == [0] * 4


def associate_request() -> bytes:
    """Write an A-ASSOCIATE-RQ for mammograms by hand (PS3.8 9.3.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    context = item(
        0x20,
        b"\x01\0\0\0" + item(0x30, b"1.2.840.10008.5.1.4.1.1.1.2.1") + item(0x40, b"1.2.840.10008.1.2.1"),
    )
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"2.25.5"))
    body = (
        b"\0\x01\0\0"
        + b"BACCTL".ljust(16)
        + b"SENDER".ljust(16)
        + bytes(32)
        + item(0x10, b"1.2.840.10008.3.1.1.1")
        + context
        + user
    )
    return struct.pack(">BBI", 1, 0, len(body)) + body


def store_request(part: bytes) -> bytes:
    """Write a C-STORE-RQ and a first fragment of its dataset (PS3.7 9.3.1, PS3.8 9.3.5)."""

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value

    command = (
        element(0x0002, b"1.2.840.10008.5.1.4.1.1.1.2.1\0")
        + element(0x0100, struct.pack("<H", 1))
        + element(0x0110, struct.pack("<H", 1))
        + element(0x0700, struct.pack("<H", 0))
        + element(0x0800, struct.pack("<H", 1))
        + element(0x1000, b"2.25.123")
    )
    command = element(0x0000, struct.pack("<I", len(command))) + command

    def pdv(control: int, content: bytes) -> bytes:
        body = struct.pack(">IBB", len(content) + 2, 1, control) + content
        return struct.pack(">BBI", 4, 0, len(body)) + body

    return pdv(3, command) + pdv(0, part)
