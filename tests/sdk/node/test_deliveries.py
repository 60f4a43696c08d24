"""Results of a node on their way to destinations that are slow, refuse, vanish or forget."""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from bac_terms.errors import FailedError, RefusedError
from bacctl.node import destinations
from bacctl.node.destinations import ArchiveDestination
from bacctl.node.outbox import Outbox
from bacctl.node.queue import Queue
from bacctl.node.records import Arrival, Limits, Made, Rules
from bacctl.node.store import Store
from bacctl.pacs.peers import Peer
from bacctl.pacs.sending import read_item, send
from bacctl.results import ExamResult

from .conftest import Running, until, write_image

Exam = Callable[..., list[Path]]


def make(exam: ExamResult) -> Sequence[Made]:
    """Make one Secondary Capture of an exam."""
    study, uid = str(exam.study_instance_uid), str(generate_uid())
    data = write_image(study, "LCC", uid, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT")
    return [Made("dicom", data, str(SecondaryCaptureImageStorage), uid)]


class Archive:
    """An archive that stores as it is told: statuses for the first objects, then success."""

    def __init__(self, *, commits: str | None = None) -> None:
        self.statuses: list[int | None] = []
        self.stored: list[str] = []
        self.asked: list[pydicom.Dataset] = []
        self.entity = AE(ae_title="PACS")
        contexts = [build_context(Verification), build_context(SecondaryCaptureImageStorage)]
        if commits is not None:
            contexts.append(build_context(StorageCommitmentPushModel))
        self.commits = commits
        self.entity.supported_contexts = contexts
        self.server: Any = None
        self.node = 0
        self.open(0)

    def open(self, port: int) -> None:
        handlers: list[Any] = [(evt.EVT_C_STORE, self.store), (evt.EVT_N_ACTION, self.commit)]
        self.server = self.entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def close(self) -> None:
        self.entity.shutdown()

    def store(self, event: Any) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if status is None:  # vanishes
            event.assoc.dul.socket.close()
            return 0
        if status == 0:
            self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def commit(self, event: Any) -> tuple[int, None]:
        request = event.action_information
        self.asked.append(request)
        if self.commits == "calls back":
            threading.Thread(target=self.report, args=(request,)).start()
        return 0, None

    def report(self, request: pydicom.Dataset) -> None:
        """Call back as archives do: a new association, in which the archive is the SCP."""
        from pynetdicom import build_role

        told = pydicom.Dataset()
        told.TransactionUID = request.TransactionUID
        told.ReferencedSOPSequence = request.ReferencedSOPSequence
        entity = AE(ae_title="PACS")
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        opened = entity.associate("127.0.0.1", self.node, ae_title="BACCTL", ext_neg=[role])
        assert opened.is_established
        opened.send_n_event_report(told, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
        opened.release()


@pytest.fixture
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    one = Archive(commits=getattr(request, "param", None))
    yield one
    one.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait tenths of seconds where a node waits minutes."""
    monkeypatch.setattr(destinations, "_FIRST_DELAY_S", 0.1)
    monkeypatch.setattr(destinations, "_LONGEST_DELAY_S", 0.2)


def run(running: Running, archive: Archive, exam: Exam, **settings: Any) -> None:
    peer = Peer("PACS", "127.0.0.1", archive.port)
    place = ArchiveDestination(peer, "BACCTL", commit=archive.commits is not None)
    running.start(destinations=[place], make=make, **settings)
    archive.node = running.port
    node = Peer("BACCTL", "127.0.0.1", running.port)
    assert [sent.status for sent in send([read_item(path) for path in exam(1)], node, "SENDER")] == [0] * 4


def settled(running: Running) -> bool:
    counts = running.counts
    return counts["due"] == counts["owed"] == counts["uncommitted"] == 0


@pytest.mark.parametrize("statuses", [[], [0xA700, 0xA700], [None], [None, 0xA701, None]])
def test_an_archive_without_room_or_that_vanishes_gets_each_result_once(
    running: Running, archive: Archive, exam: Exam, statuses: list[int | None]
) -> None:
    archive.statuses = statuses
    run(running, archive, exam)
    until(lambda: archive.stored)
    until(lambda: settled(running))
    assert len(archive.stored) == 1


def test_an_archive_that_is_away_is_waited_for(running: Running, archive: Archive, exam: Exam) -> None:
    archive.close()
    run(running, archive, exam)
    until(lambda: any("does not answer" in line for line in running.said))
    archive.open(archive.port)
    until(lambda: archive.stored)
    until(lambda: settled(running))


def test_a_result_that_is_refused_is_named_kept_and_tried_at_the_next_start(
    running: Running, archive: Archive, exam: Exam
) -> None:
    archive.statuses = [0x0122]
    run(running, archive, exam)
    until(lambda: running.counts["refused"] == 1)
    assert any("BAC-PACS-REFUSED" in line and "0122H" in line for line in running.said)
    assert running.node is not None
    assert running.node.queue.remove_old(-1.0) == 0
    running.stop()
    place = ArchiveDestination(Peer("PACS", "127.0.0.1", archive.port), "BACCTL", commit=False)
    running.start(destinations=[place], make=make)
    until(lambda: archive.stored)


def test_what_is_delivered_is_forgotten_after_a_while(running: Running, archive: Archive, exam: Exam) -> None:
    run(running, archive, exam)
    until(lambda: archive.stored)
    until(lambda: settled(running) and running.documents())
    assert running.node is not None
    assert running.node.queue.remove_old(3600.0) == 0
    assert running.node.queue.remove_old(-1.0) == 1
    assert running.counts["exams"] == running.counts["images"] == 0
    left = [path for name in ("images", "results") for path in (running.settings.folder / name).iterdir()]
    assert left == []


class TestCommitment:
    @pytest.mark.parametrize("archive", ["calls back"], indirect=True)
    def test_is_asked_for_and_noted(self, running: Running, archive: Archive, exam: Exam) -> None:
        from bacctl.pacs.peers import Caller

        run(running, archive, exam, reporters=[Caller("PACS", "127.0.0.1")])
        until(lambda: archive.stored)
        until(lambda: settled(running))
        (request,) = archive.asked
        (item,) = request.ReferencedSOPSequence
        assert item.ReferencedSOPInstanceUID == archive.stored[0]
        assert any("keeps 1 results for good" in line for line in running.said)

    @pytest.mark.parametrize("archive", ["never answers"], indirect=True)
    def test_is_asked_for_again_and_then_done_without(
        self, running: Running, archive: Archive, exam: Exam, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(destinations, "_REPORT_S", 0.0)
        monkeypatch.setattr(destinations, "_ASKED", 1)
        monkeypatch.setattr("bacctl.pacs.commitment._SAME_ASSOCIATION_S", 0.0)
        run(running, archive, exam)
        until(lambda: archive.stored)
        until(lambda: settled(running))
        assert len(archive.asked) == 2
        assert any("asked for and not given" in line for line in running.said)

    def test_an_archive_without_it_is_believed(self, running: Running, archive: Archive, exam: Exam) -> None:
        archive.commits = "does not offer it"
        run(running, archive, exam)
        until(lambda: archive.stored)
        until(lambda: settled(running))
        assert archive.asked == []

    def test_what_was_lost_is_sent_again(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "queue", Limits(10**9, 0))
        queue, outbox = Queue(store), Outbox(store)
        queue.add(b"file", "digest", Arrival("2.25.11", "2.25.1", "LCC"))
        exam = queue.due(Rules(0.0, 0.0))
        assert exam is not None
        made = [Made("dicom", b"1", "2.25.5", "2.25.21"), Made("dicom", b"2", "2.25.5", "2.25.22")]
        queue.finish(exam, made, {"PACS": frozenset({"dicom"})})
        for delivery in outbox.owed("PACS"):
            outbox.delivered(delivery, "stored")
        outbox.asked(outbox.owed("PACS", "stored"), "2.25.31", 0.0)
        assert outbox.reported("2.25.99", frozenset({"2.25.21"}), frozenset()) == (0, 0)  # none of ours
        assert outbox.reported("2.25.31", frozenset({"2.25.21"}), frozenset({"2.25.22"})) == (1, 1)
        assert [delivery.sop_instance_uid for delivery in outbox.owed("PACS")] == ["2.25.22"]
        store.close()


def test_what_is_delivered_gives_way_to_what_is_new(running: Running, archive: Archive, exam: Exam) -> None:
    size = exam(1)[0].stat().st_size
    run(running, archive, exam, limits=Limits(7 * size, 0))
    until(lambda: archive.stored)
    until(lambda: settled(running) and running.documents())
    node = Peer("BACCTL", "127.0.0.1", running.port)
    assert [sent.status for sent in send([read_item(path) for path in exam(2)], node, "SENDER")] == [0] * 4
    until(lambda: len(running.documents()) == 2)


def test_an_archive_that_may_report_may_not_send(running: Running, exam: Exam) -> None:
    from bacctl.pacs.peers import Caller

    running.start(reporters=[Caller("PACS", "127.0.0.1")])
    node = Peer("BACCTL", "127.0.0.1", running.port)
    assert {sent.status for sent in send([read_item(path) for path in exam(1)], node, "PACS")} == {0x0124}


def test_two_nodes_do_not_share_a_queue(running: Running) -> None:
    running.start()
    with pytest.raises(BlockingIOError):
        Store(running.settings.folder, Limits(10**9))


def test_a_server_that_is_away_loses_no_exam(
    running: Running, exam: Exam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.node.worker._FIRST_DELAY_S", 0.1)
    running.server.fail_next("BAC-SERVER-FAULT", 12)
    running.start()
    node = Peer("BACCTL", "127.0.0.1", running.port)
    send([read_item(path) for path in exam(1)], node, "SENDER")
    document = until(running.documents)[0]
    assert [image["status"] for image in document["images"]] == ["ok"] * 4
    assert any("not measured" in line for line in running.said)


@pytest.mark.parametrize("error", [RefusedError("BAC-BREAST-NOT-FOUND"), ValueError("Doe^Jane")])
def test_an_exam_of_which_no_objects_can_be_made_goes_out_without_them(
    running: Running, exam: Exam, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("bacctl.node.worker._FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("bacctl.node.worker._ATTEMPTS", 2)

    def fails(_: ExamResult) -> Sequence[Made]:
        raise error

    running.start(make=fails)
    node = Peer("BACCTL", "127.0.0.1", running.port)
    send([read_item(path) for path in exam(1)], node, "SENDER")
    (document,) = until(running.documents)
    assert document["exams"][0]["complete"]
    assert any("no DICOM objects" in line for line in running.said)
    assert "Doe" not in "".join(running.said)


def test_a_refused_image_does_not_hold_up_the_others(running: Running, exam: Exam) -> None:
    from bacctl.testing import refusal

    from .conftest import measure

    def refuses_one(request: Any) -> Any:
        if pydicom.dcmread(io.BytesIO(request.data)).ViewPosition == "MLO":
            raise refusal("BAC-VIEW-SPOT")
        return measure(request)

    running.server._measure = refuses_one
    running.start()
    node = Peer("BACCTL", "127.0.0.1", running.port)
    send([read_item(path) for path in exam(1)], node, "SENDER")
    document = until(running.documents)[0]
    assert sorted(image["status"] for image in document["images"]) == ["ok", "ok", "refused", "refused"]
    assert any("BAC-VIEW-SPOT" in line for line in running.said)


def test_the_clock_may_be_set_back(tmp_path: Path) -> None:
    now = [1e9]
    store = Store(tmp_path / "queue", Limits(10**9, 0), lambda: now[0])
    queue = Queue(store)
    queue.add(b"file", "digest", Arrival("2.25.11", "2.25.1", "LCC"))
    rules = Rules(5.0, 300.0)
    assert queue.due(rules) is None
    now[0] += 301.0
    assert queue.due(rules) is not None
    now[0] = 1e9 - 86400.0
    assert queue.due(rules) is not None
    store.close()


def test_what_was_never_acknowledged_is_gone_after_a_start(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    store = Store(folder, Limits(10**9, 0))
    Queue(store).add(b"file", "digest", Arrival("2.25.11", "2.25.1", "LCC"))
    (kept,) = (folder / "images").iterdir()
    store.close()
    for name in ("half.part", "whole.dcm"):
        (folder / "images" / name).write_bytes(b"stray")
    store = Store(folder, Limits(10**9, 0))
    assert list((folder / "images").iterdir()) == [kept]
    with pytest.raises(RefusedError, match="BAC-NODE-UID-REPEATED"):
        Queue(store).add(b"file", "other", Arrival("2.25.11", "2.25.1", "LCC"))
    store.close()


def test_a_disk_that_is_full_for_a_while_ends_no_worker(
    running: Running, exam: Exam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.node.worker._FIRST_DELAY_S", 0.01)
    left = [3]

    def full(*_: object) -> None:
        left[0] -= 1
        raise sqlite3.OperationalError("database or disk is full")  # as SQLite says it

    def finish(queue: Queue, *arguments: Any) -> None:
        if left[0] > 0:
            full()
        kept(queue, *arguments)

    def postpone(queue: Queue, *arguments: Any) -> None:
        if left[0] > 0:
            full()
        later(queue, *arguments)

    kept, later = Queue.finish, Queue.postpone
    monkeypatch.setattr(Queue, "finish", finish)
    monkeypatch.setattr(Queue, "postpone", postpone)
    running.start()
    node = Peer("BACCTL", "127.0.0.1", running.port)
    send([read_item(path) for path in exam(1)], node, "SENDER")
    assert len(until(running.documents)) == 1
    assert any("cannot be read or written" in line for line in running.said)


def test_a_queue_that_is_damaged_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    Store(folder, Limits(10**9, 0)).close()
    for name in ("queue.sqlite-wal", "queue.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    damaged = b"this was no table" * 500
    (folder / "queue.sqlite").write_bytes(damaged)
    for _ in range(2):  # the lock is free again
        with pytest.raises(FailedError, match="BAC-NODE-QUEUE"):
            Store(folder, Limits(10**9, 0))
    assert (folder / "queue.sqlite").read_bytes() == damaged
