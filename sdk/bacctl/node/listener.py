"""What a node answers its callers: echo, storage, and reports of storage commitment. Nothing else."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.dataset import parse_header
from bac_imaging.read.dicom_header import judge
from bac_terms.errors import BacctlError, RefusedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.node.outbox import Outbox
from bacctl.node.queue import Queue
from bacctl.node.records import Arrival
from bacctl.pacs.commitment import read_report
from bacctl.pacs.contexts import MEASURED, accepted_contexts
from bacctl.pacs.peers import Caller, may_call

# PS3.7 annex C and PS3.4 B.2.3.
SUCCESS = 0x0000
DUPLICATE = 0x0111
INVALID_INSTANCE = 0x0117
CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORISED = 0x0124
OUT_OF_RESOURCES = 0xA700
NOT_OF_ITS_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
_STATUS = {"BAC-NODE-FULL": OUT_OF_RESOURCES, "BAC-NODE-UID-REPEATED": DUPLICATE}
_NOT_RECOGNISED = (0x01, 0x01, 0x03)  # rejected for good, by the service user: calling AE title (PS3.8 9.3.4)
_BUSY = (0x02, 0x03, 0x02)  # rejected for now, by the service provider: local limit exceeded
_PDU_BYTES = 1 << 17
_QUIET_PEER_S = 60.0
_SILENT_S = 10.0
_MOST_CONNECTIONS = 200
_COMMENT_CHARS = 64


class Listener:
    """The server of a node.

    Parameters
    ----------
    queue, outbox : Queue, Outbox
        Where images are kept, and where reports of commitment are noted.
    title : str
        The AE title that callers must use.
    callers : sequence of Caller
        Who may send.
    reporters : sequence of Caller
        Who else may call, to report what it has committed itself to.
    most_associations : int
        How many at a time; each may hold one image in memory.
    tell : callable
        Takes lines for the log.
    """

    def __init__(
        self,
        queue: Queue,
        outbox: Outbox,
        *,
        title: str,
        callers: Sequence[Caller],
        reporters: Sequence[Caller] = (),
        most_associations: int,
        tell: Callable[[str], None],
    ) -> None:
        self._queue, self._outbox, self._tell = queue, outbox, tell
        self._callers, self._reporters = callers, reporters
        self._entity = AE(ae_title=title)
        self._entity.require_called_aet = True
        self._most = most_associations
        # pynetdicom counts connections that never said a word too, such as a monitor's, for as long as it
        # waits for them; who is let in is counted here.
        self._entity.maximum_associations = _MOST_CONNECTIONS
        self._entity.acse_timeout = _SILENT_S
        self._entity.maximum_pdu_size = _PDU_BYTES
        self._entity.network_timeout = self._entity.dimse_timeout = _QUIET_PEER_S
        self._entity.supported_contexts = accepted_contexts()
        self._server: Any = None
        self._coming: dict[Any, int] = {}

    def start(self, host: str, port: int) -> int:
        """Listen; return the port, which is a free one where 0 was asked for.

        Raises
        ------
        OSError
            The address cannot be listened on.
        """
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_PDU_RECV, self._received),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._reported),
            (evt.EVT_ABORTED, self._gone),
            (evt.EVT_CONN_CLOSE, self._gone),
        ]
        self._server = self._entity.start_server((host, port), block=False, evt_handlers=handlers)
        return int(self._server.server_address[1])

    def stop(self, drain_s: float) -> None:
        """Take no more callers, let those that are there finish for a while, then end them."""
        if self._server is None:
            return
        self._server.shutdown()
        end = time.monotonic() + drain_s
        while self._guests and time.monotonic() < end:
            time.sleep(0.05)
        self._entity.shutdown()
        self._server = None

    def _requested(self, event: Any) -> None:
        peer = event.assoc.requestor
        called = str(peer.primitive.called_ae_title).strip()
        if not _is_one_of([*self._callers, *self._reporters], event):
            caller = _shown(peer.primitive.calling_ae_title)
            self._tell(
                f"{caller}@{peer.address}: not listed as a caller; turned away; --allow lists who may send"
            )
            self._reject(event, _NOT_RECOGNISED)
        elif called != self._entity.ae_title.strip():  # which the library turns away by itself, in silence
            caller = _shown(peer.primitive.calling_ae_title)
            self._tell(
                f"{caller}@{peer.address}: calls {_shown(called)}, which is not our AE title; turned away"
            )
        elif self._guests >= self._most:
            self._reject(event, _BUSY)

    @property
    def _guests(self) -> int:
        return sum(one.is_acceptor and one.is_established for one in self._entity.active_associations)

    def _reject(self, event: Any, why: tuple[int, int, int]) -> None:
        event.assoc.acse.send_reject(*why)
        event.assoc.kill()

    def _received(self, event: Any) -> None:
        """Break off what would fill the memory; the size of an object shows only as it comes."""
        fragments = getattr(event.pdu, "presentation_data_value_items", ())
        size = sum(len(fragment.data or b"") for fragment in fragments)
        size += self._coming.get(event.assoc, 0)
        self._coming[event.assoc] = size
        if size > MAX_FILE_BYTES:
            self._coming.pop(event.assoc, None)
            self._tell(f"{_caller(event)}: sends an object larger than any mammogram; broken off")
            event.assoc.dul.socket.close()

    def _gone(self, event: Any) -> None:
        self._coming.pop(event.assoc, None)

    def _store(self, event: Any) -> Dataset:
        self._coming.pop(event.assoc, None)
        try:
            status, comment, line = self._kept(event)
        except BacctlError as error:
            status, comment = _STATUS.get(error.code, CANNOT_UNDERSTAND), error.code
            line = str(error)
        except OSError as error:  # an acknowledgement would be a lie
            status, comment = OUT_OF_RESOURCES, "BAC-NODE-FULL"
            line = f"BAC-NODE-FULL: the queue cannot be written ({error.strerror})"
        if line:
            uid = str(event.request.AffectedSOPInstanceUID)
            self._tell(f"{_caller(event)}: {uid if is_uid(uid) else 'an object'}: {line}")
        answer = Dataset()
        answer.Status = status
        if comment:
            answer.ErrorComment = comment[:_COMMENT_CHARS]
        return answer

    def _kept(self, event: Any) -> tuple[int, str, str]:
        """Keep an image; return the status, the comment to the peer and the line for the log."""
        if not _is_one_of(self._callers, event):
            return NOT_AUTHORISED, "", "may not send; name it with --allow"
        kind, uid = str(event.request.AffectedSOPClassUID), str(event.request.AffectedSOPInstanceUID)
        if kind not in MEASURED:
            return CLASS_NOT_SUPPORTED, "BAC-MODALITY", ""
        if not is_uid(uid):
            return INVALID_INSTANCE, "BAC-NODE-OBJECT", "its SOP Instance UID is none; not kept"
        data = event.encoded_dataset()
        try:
            arrival = read_arrival(data)
        except RefusedError as error:
            return (
                CANNOT_UNDERSTAND if error.code == "BAC-NODE-OBJECT" else NOT_OF_ITS_CLASS,
                error.code,
                str(error),
            )
        if arrival.sop_instance_uid != uid:
            return (
                NOT_OF_ITS_CLASS,
                "BAC-NODE-OBJECT",
                "the object is not the one that was announced; not kept",
            )
        digest = hashlib.sha256(str(event.context.transfer_syntax).encode())
        digest.update(event.request.DataSet.getbuffer())
        new = self._queue.add(data, digest.hexdigest(), arrival)
        return SUCCESS, "", f"kept ({arrival.view or 'another view'})" if new else "is here already"

    def _reported(self, event: Any) -> tuple[int, None]:
        status, report = read_report(event)
        if report is not None:
            kept, lost = self._outbox.reported(report.transaction_uid, report.kept, report.lost)
            self._tell(f"{_caller(event)}: keeps {kept} results for good, and has lost {lost}")
        return status, None


def read_arrival(data: bytes) -> Arrival:
    """Read what a queue has to know of an image.

    Parameters
    ----------
    data : bytes
        The DICOM file.

    Raises
    ------
    RefusedError
        BAC-NODE-OBJECT: it cannot be parsed, or names no study or image by a UID. BAC-MODALITY: it is no
        mammogram. Whatever else it is refused for is told when it is measured.
    """
    with discreet():
        try:
            dataset, _, followed = parse_header(data)
            image, study = (str(dataset.get(name, "")) for name in ("SOPInstanceUID", "StudyInstanceUID"))
        except Exception:  # pydicom raises whatever its parser stumbles over
            raise RefusedError("BAC-NODE-OBJECT", "the object cannot be parsed") from None
        if not (is_uid(image) and is_uid(study)):
            raise RefusedError("BAC-NODE-OBJECT")
        if followed:
            dataset.add_new("PixelData", "OB", b"")
        return Arrival(image, study, _view(dataset))


def _view(dataset: Dataset) -> str | None:
    try:
        view = judge(Header(dataset), None).view
    except RefusedError as error:
        if error.code == "BAC-MODALITY":
            raise
        return None
    except Exception:  # what cannot be judged here is judged where it is measured
        return None
    return f"{view.laterality}{view.view}" if view.laterality and view.view else None


def _is_one_of(callers: Sequence[Caller], event: Any) -> bool:
    peer = event.assoc.requestor
    return may_call(callers, str(peer.primitive.calling_ae_title), peer.address)


def _shown(title: object) -> str:
    """Show an AE title that a stranger chose: printable ASCII, at most its 16 characters."""
    return re.sub(r"[^!-~]", "?", str(title).strip()[:16])


def _caller(event: Any) -> str:
    return str(event.assoc.requestor.ae_title).strip()
