"""The entry of the server: what is let in, what waits, what is begun, and what is sent away.

Triton hands the first step every request as soon as it comes, since `accept` keeps it and returns; a thread
works on one after the other. An ensemble on Triton 2.51 has neither a queue that can be bounded nor
cancellation, and hands all that it got to its steps in the order that it came. So all of this is decided
here:

- Files that wait are bounded by their bytes. What finds no room is refused with ``BAC-SERVER-OVERLOADED`` and
  when to come back; callers take turns (`bacctl.service.waiting`).
- Images that are under way, in whichever step, are bounded by their number and by the pixels that their
  headers name (`bacctl.service.tickets`): prepared images do not pile up before the network, where they
  would take memory and could not be overtaken.
- What nobody waits for any more is dropped: here before it is begun, later by its ticket.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.read.size import work_bytes
from bac_terms.errors import BacctlError, ServerOverloadedError, from_catalogue, internal
from bacctl._claim import Claim
from bacctl.service.binding import take_claim
from bacctl.service.steps import Given, Tensors, answer_each, from_json
from bacctl.service.tickets import Ticket, Tickets
from bacctl.service.waiting import Waiting, WaitingRoom

_MIB = 2**20
_LOOK_S, _LONGEST_LOOK_S = 0.01, 0.25  # between two looks at the tickets, while work waits for them
_SLOWER = 1.05  # each look: a wait is noticed to be over within a twentieth of it
_LEASE_NS = 30 * 10**9  # for an image that ended in a step without code of ours
_LAST_WORK_S = 5.0  # for what is begun at the end
_SHORTEST_S, _LONGEST_S = 1.0, 60.0  # of what an overloaded server asks callers to wait
_USUAL_BYTES_S = 20 * _MIB  # before anything was measured
_REMEMBERED, _ENOUGH = 16, 4


@dataclass(frozen=True)
class Limits:
    """How much an instance of the first step lets in.

    Attributes
    ----------
    waiting_bytes : int
        Files that wait.
    work_bytes : int
        Images under way, as `bac_imaging.read.size.work_bytes` counts them.
    work_images : int
        How many images may be under way.
    """

    waiting_bytes: int
    work_bytes: int
    work_images: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Limits:
        """Read them from the model's configuration, which is for all of its instances together."""
        instances = sum(group.get("count", 1) for group in config["instance_group"])
        waiting, work, images = (
            int(config["parameters"][name]["string_value"])
            for name in ("max_waiting_mb", "max_work_mb", "max_work_images")
        )
        return cls(waiting * _MIB // instances, work * _MIB // instances, max(1, images // instances))


@dataclass
class _Request:
    """A request that is kept: Triton takes its memory back when `accept` returns."""

    tensors: dict[str, npt.NDArray[Any]]
    sender: Any
    claim: Claim
    cost: int = 0

    def inputs(self) -> list[_Tensor]:
        return [_Tensor(name, array) for name, array in self.tensors.items()]


@dataclass(frozen=True)
class _Tensor:
    _name: str
    _array: npt.NDArray[Any]

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> npt.NDArray[Any]:
        return self._array


class Entry:
    """Keeps what Triton hands over and has it worked on, one after the other.

    Parameters
    ----------
    pb_utils : module
        ``triton_python_backend_utils``.
    answer : callable
        From inputs to outputs, by name. Gets TICKET, int64 of shape (1, 2), beside what was sent.
    limits : Limits
        How much is let in.
    tickets : Tickets, optional
        Of the server.
    clock : callable, optional
        Nanoseconds of the machine's monotonic clock.
    not_measured : callable, optional
        Told of the inputs and the error of what is refused.
    """

    def __init__(
        self,
        pb_utils: Any,
        answer: Callable[[Tensors], Tensors],
        limits: Limits,
        tickets: Tickets | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        not_measured: Callable[[Tensors, BacctlError], None] = lambda inputs, error: None,
    ) -> None:
        self._pb_utils = pb_utils
        self._answer = answer
        self._limits = limits
        self._not_measured = not_measured
        self._tickets = tickets or Tickets()
        self._clock = clock
        self._room: WaitingRoom[_Request] = WaitingRoom(limits.waiting_bytes)
        self._out: dict[int, tuple[int, int]] = {}
        self._pace = _Pace(clock)
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="bacctl-entry", daemon=True)
        self._worker.start()

    def accept(self, requests: Iterable[Any]) -> None:
        """Take requests over, as ``execute`` gets them, and come back at once."""
        for request in requests:
            sender = request.get_response_sender()
            tensors = Given({tensor.name(): _kept(tensor.as_numpy()) for tensor in request.inputs()})
            try:
                claim, _ = take_claim(from_json(tensors.get("OPTIONS")))
                size = max(1, tensors["DICOM"].size)
            except BacctlError as error:
                self._refuse(_Request(tensors, sender, Claim()), error)
                continue
            # The protocol's own parameter, in microseconds, is for clients that do not know our options.
            waits_s = request.timeout() / 1e6 if claim.timeout_s is None else claim.timeout_s
            end_ns = self._clock() + math.ceil(waits_s * 1e9) if waits_s else 0
            entry = Waiting(_Request(tensors, sender, claim), claim.caller or "", size, end_ns)
            with self._changed:
                leaving = self._room.add(entry, last=claim.last)
                again_s = self._pace.seconds(self._room.bytes)
                self._changed.notify()
            for other in leaving:
                self._refuse(other.item, _overloaded(again_s))

    def close(self) -> None:
        """Refuse what waits and end the thread."""
        with self._changed:
            self._closed = True
            leaving = self._room.clear()
            self._changed.notify()
        for entry in leaving:
            self._refuse(entry.item, _overloaded(_SHORTEST_S))
        self._worker.join(_LAST_WORK_S)

    def _work(self) -> None:
        while True:
            entry = self._next()
            if entry is None:
                return
            ticket = self._tickets.issue(entry.end_ns)
            if ticket.number:
                self._out[ticket.number] = (entry.item.cost, self._clock())
            self._begin(entry.item, ticket)
            self._pace.began(entry.size)

    def _next(self) -> Waiting[_Request] | None:
        """Wait until something may be begun; None where this is the end."""
        look_s = _LOOK_S
        while True:
            with self._changed:
                while not self._closed and self._room.first() is None:
                    self._pace.rest()
                    self._changed.wait()
                if self._closed:
                    return None
                late = self._room.too_late(self._clock())
                entry = self._room.first()
            for one in late:
                self._refuse(one.item, from_catalogue("BAC-SERVER-TIMEOUT"))
            if entry is None:
                continue
            entry.item.cost = entry.item.cost or work_bytes(content(entry.item.tensors["DICOM"]))
            if self._has_room(entry.item.cost):
                with self._changed:
                    if self._room.first() is entry and self._room.take(entry):
                        return entry
            else:
                # A server that hangs is known by using no processor: this must not keep it busy.
                time.sleep(look_s)
                look_s = min(look_s * _SLOWER, _LONGEST_LOOK_S)

    def _has_room(self, cost: int) -> bool:
        now = self._clock()
        self._out = {
            number: (size, since)
            for number, (size, since) in self._out.items()
            if now - since < _LEASE_NS and self._tickets.is_out(number)
        }
        under_way = sum(size for size, _ in self._out.values())
        return not self._out or (
            len(self._out) < self._limits.work_images and under_way + cost <= self._limits.work_bytes
        )

    def _begin(self, request: _Request, ticket: Ticket) -> None:
        def answer(inputs: Tensors) -> Tensors:
            with self._tickets.lost_on_failure(ticket.number):
                ticket.check(self._clock)
                return self._answer({**inputs, "TICKET": ticket.rows(1)})

        if not self._send(request, answer):
            self._tickets.give_back(ticket.number)

    def _refuse(self, request: _Request, error: BacctlError) -> None:
        def answer(_: Tensors) -> Tensors:
            raise error

        self._send(request, answer)

    def _send(self, request: _Request, answer: Callable[[Tensors], Tensors]) -> bool:
        """Answer a request; return whether the answer itself got through."""
        triton, last = self._pb_utils, self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        (response,) = answer_each(triton, [request], answer, self._not_measured)
        try:
            request.sender.send(response, flags=last)
        except Exception as error:
            # Most likely there is no shared memory for it. Triton's text names the region, which is nobody's
            # business; what is the matter is what the client looks for.
            full = "shared memory pool" in str(error)
            text = "the shared memory pool is too small" if full else str(internal(error))
            fault = triton.TritonError(text, triton.TritonError.INTERNAL)
            with contextlib.suppress(Exception):  # Triton gave up on the request: the next must not suffer
                request.sender.send(triton.InferenceResponse(error=fault), flags=last)
            triton.Logger.log_error(f"BAC-INTERNAL: {type(error).__name__}: an answer could not be sent")
            return False
        return True


class _Pace:
    """How fast files are worked on."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._begun: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._rate = float(_USUAL_BYTES_S)

    def rest(self) -> None:
        """Say that there is nothing to do, which is not slowness."""
        self._rate = self._bytes_s()
        self._begun.clear()

    def began(self, size: int) -> None:
        """Say that one more was begun."""
        self._begun.append((self._clock(), size))

    def seconds(self, size: int) -> float:
        """Estimate how long as many bytes take, in whole seconds."""
        return float(math.ceil(min(max(size / self._bytes_s(), _SHORTEST_S), _LONGEST_S)))

    def _bytes_s(self) -> float:
        begun = list(self._begun)
        if len(begun) < _ENOUGH:
            return self._rate
        # Each is begun when there is room for it: the one before the first made that of the first.
        span_s = (begun[-1][0] - begun[0][0]) / 1e9
        return max(1.0, sum(size for _, size in begun[1:]) / max(span_s, 1e-3))


def _overloaded(again_s: float) -> ServerOverloadedError:
    error = ServerOverloadedError("BAC-SERVER-OVERLOADED")
    error.retry_after_s = again_s
    return error


def content(array: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of an array; where it only lies over bytes, as those that `Entry` keeps do, these."""
    base: object = array.base
    return base if isinstance(base, bytes) and len(base) == array.size else array.tobytes()


def _kept(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(array.tobytes(), array.dtype)  # both inputs have one dimension
