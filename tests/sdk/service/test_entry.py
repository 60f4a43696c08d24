"""What the first step lets in, with a stand-in for the module that only Triton's stub has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bac_terms.errors import ServerOverloadedError, ServerTimeoutError
from bacctl._claim import MARK
from bacctl._error_text import from_text
from bacctl.client.canary import SHAPE, canary_image
from bacctl.service.entry import Entry, Limits
from bacctl.service.tickets import Ticket, Tickets

IMAGE = canary_image()
WORK_BYTES = 8 * SHAPE[0] * SHAPE[1]
WIDE = Limits(10**9, 10**9, 100)


class TritonError(Exception):
    INVALID_ARG, INTERNAL, UNAVAILABLE = "INVALID_ARG", "INTERNAL", "UNAVAILABLE"


class Steps:
    """Triton, the network and the last step: what is answered, and whose turn it was."""

    def __init__(self, folder: Path) -> None:
        self.tickets = Tickets(folder)
        self.begun: list[str] = []
        self.under_way: list[int] = []
        self.answers: dict[str, Any] = {}
        self.logged: list[str] = []
        self.go_on = threading.Event()
        self.pb_utils = SimpleNamespace(
            Tensor=lambda name, array: (name, array),
            TritonError=TritonError,
            InferenceResponse=lambda output_tensors=(), error=None: SimpleNamespace(error=error),
            TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
            Logger=SimpleNamespace(log_error=self.logged.append),
        )

    def answer(self, inputs: Any) -> dict[str, Any]:
        assert self.go_on.wait(10)
        self.begun.append(json.loads(inputs["OPTIONS"].tobytes())["tag"])
        self.under_way.append(Ticket.of(inputs["TICKET"]).number)
        return {"TILES": np.zeros(1)}

    def request(self, tag: str, data: bytes = IMAGE, timeout_us: int = 0, **options: Any) -> Any:
        def send(response: Any, flags: int) -> None:
            assert flags == 1
            if response.error is None and tag.startswith("unsendable"):
                raise RuntimeError("Failed to increase the shared memory pool size for key 'secret'")
            assert tag not in self.answers, "answered twice"
            self.answers[tag] = response.error

        inputs = {"DICOM": data, "OPTIONS": json.dumps({"tag": tag, **options}).encode()}
        tensors = [
            SimpleNamespace(name=lambda n=name: n, as_numpy=lambda c=content: np.frombuffer(c, np.uint8))
            for name, content in inputs.items()
        ]
        sender = SimpleNamespace(send=send)
        return SimpleNamespace(
            get_response_sender=lambda: sender, inputs=lambda: tensors, timeout=lambda: timeout_us
        )

    def error(self, tag: str) -> Any:
        return from_text(self.answers[tag].args[0])[0]


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


@pytest.fixture
def entry(steps: Steps) -> Iterator[Callable[..., Entry]]:
    made: list[Entry] = []

    def make(limits: Limits, **more: Any) -> Entry:
        made.append(Entry(steps.pb_utils, steps.answer, limits, steps.tickets, **more))
        return made[-1]

    yield make
    steps.go_on.set()
    for one in made:
        one.close()


def test_all_come_in_at_once_and_are_answered_in_turn(steps: Steps, entry: Callable[..., Entry]) -> None:
    one = entry(WIDE)
    one.accept([steps.request(f"heavy{number}", caller="heavy") for number in range(4)])
    one.accept([steps.request("light", caller="light")])
    steps.go_on.set()
    _wait_for(lambda: len(steps.answers) == 5)
    assert set(steps.answers.values()) == {None}
    assert steps.begun.index("light") <= 2


def test_no_more_are_under_way_than_may_be(steps: Steps, entry: Callable[..., Entry]) -> None:
    steps.go_on.set()
    one = entry(Limits(10**9, 2 * WORK_BYTES, 100))
    one.accept([steps.request(f"{number}") for number in range(5)])
    for done in range(5):
        _wait_for(lambda done=done: len(steps.begun) >= min(5, done + 2))
        time.sleep(0.05)
        assert len(steps.begun) == min(5, done + 2)
        steps.tickets.give_back(steps.under_way[done])


def test_nor_more_than_their_number_allows(steps: Steps, entry: Callable[..., Entry]) -> None:
    steps.go_on.set()
    one = entry(Limits(10**9, 10**9, 3))
    one.accept([steps.request(f"{number}") for number in range(5)])
    _wait_for(lambda: len(steps.begun) == 3)
    time.sleep(0.05)
    assert len(steps.begun) == 3
    # A step that is loaded anew has lost what it had.
    steps.tickets.clear()
    _wait_for(lambda: len(steps.begun) == 5)


def test_a_large_image_is_let_in_where_nothing_else_is_under_way(
    steps: Steps, entry: Callable[..., Entry]
) -> None:
    steps.go_on.set()
    entry(Limits(1, 1, 1)).accept([steps.request("large")])
    _wait_for(lambda: "large" in steps.answers)
    assert steps.answers["large"] is None


def test_an_image_whose_step_ended_without_a_word_counts_no_longer_than_its_lease(
    steps: Steps, entry: Callable[..., Entry]
) -> None:
    steps.go_on.set()
    now = [10**9]
    one = entry(Limits(10**9, 10**9, 1), clock=lambda: now[0])
    one.accept([steps.request("lost"), steps.request("next")])
    _wait_for(lambda: len(steps.begun) == 1)
    now[0] += 31 * 10**9
    _wait_for(lambda: len(steps.begun) == 2)


def test_what_finds_no_room_is_told_when_to_come_back(steps: Steps, entry: Callable[..., Entry]) -> None:
    one = entry(Limits(3 * len(IMAGE), 10**9, 100))
    one.accept([steps.request("first")])
    _wait_for(lambda: len(one._room) == 0)  # it is being worked on
    one.accept([steps.request(f"{number}", caller="heavy") for number in range(3)])
    one.accept([steps.request("light", caller="light")])
    _wait_for(lambda: "2" in steps.answers)
    error = steps.error("2")
    assert isinstance(error, ServerOverloadedError)
    assert error.retry_after_s is not None
    assert 1.0 <= error.retry_after_s <= 60.0
    assert steps.answers["2"].args[1] == "UNAVAILABLE"
    steps.go_on.set()
    _wait_for(lambda: len(steps.answers) == 5)
    assert [tag for tag, answer in steps.answers.items() if answer is not None] == ["2"]


def test_what_nobody_waits_for_is_dropped_before_it_is_begun(
    steps: Steps, entry: Callable[..., Entry]
) -> None:
    now = [10**9]
    one = entry(WIDE, clock=lambda: now[0])
    one.accept([steps.request("first")])
    one.accept([steps.request("short", timeout_s=2), steps.request("long", timeout_s=60)])
    one.accept([steps.request("patient"), steps.request("protocol", timeout_us=2_000_000)])
    now[0] += 5 * 10**9
    steps.go_on.set()
    _wait_for(lambda: len(steps.answers) == 5)
    assert steps.begun == ["first", "long", "patient"]
    assert isinstance(steps.error("short"), ServerTimeoutError)
    assert isinstance(steps.error("protocol"), ServerTimeoutError)


@pytest.mark.parametrize(
    "options",
    [{"timeout_s": 0}, {"timeout_s": "5"}, {"timeout_s": True}, {"caller": ""}, {"caller": 3}, {"last": 1}],
)
def test_what_is_said_of_a_request_is_what_it_has_to_be(
    steps: Steps, entry: Callable[..., Entry], options: dict[str, Any]
) -> None:
    entry(WIDE).accept([steps.request("wrong", **options)])
    _wait_for(lambda: "wrong" in steps.answers)
    assert steps.answers["wrong"].args[0].startswith("BAC-OPTIONS-INVALID: ")


def test_a_request_without_its_file_is_a_mix_up_and_does_not_stop_the_others(
    steps: Steps, entry: Callable[..., Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mixed-up"
    monkeypatch.setenv(MARK, str(mark))
    steps.go_on.set()
    wrong, right = steps.request("wrong"), steps.request("right")
    tensors = wrong.inputs()[1:]
    wrong.inputs = lambda: tensors
    entry(WIDE).accept([wrong, right])
    _wait_for(lambda: len(steps.answers) == 2)
    assert steps.answers["right"] is None
    assert steps.answers["wrong"].args[0].startswith("BAC-SERVER-MIXED-UP: ")
    assert mark.exists()


def test_an_answer_that_finds_no_shared_memory_is_a_fault_and_no_silence(
    steps: Steps, entry: Callable[..., Entry]
) -> None:
    steps.go_on.set()
    entry(Limits(10**9, 10**9, 1)).accept([steps.request("unsendable"), steps.request("next")])
    _wait_for(lambda: len(steps.answers) == 2)
    assert steps.answers["next"] is None
    assert steps.answers["unsendable"].args == ("the shared memory pool is too small", "INTERNAL")
    assert "secret" not in str(steps.logged)


def test_at_the_end_what_waits_is_refused(steps: Steps, entry: Callable[..., Entry]) -> None:
    one = entry(WIDE)
    one.accept([steps.request("first")])
    _wait_for(lambda: len(one._room) == 0)
    one.accept([steps.request("waits")])
    threading.Timer(0.1, steps.go_on.set).start()
    one.close()
    assert steps.answers["first"] is None
    assert isinstance(steps.error("waits"), ServerOverloadedError)


def test_limits_are_shared_by_the_instances() -> None:
    parameters = {
        name: {"string_value": value}
        for name, value in (("max_waiting_mb", "512"), ("max_work_mb", "2048"), ("max_work_images", "24"))
    }
    limits = Limits.of({"parameters": parameters, "instance_group": [{"count": 4}]})
    assert limits == Limits(128 * 2**20, 512 * 2**20, 6)


def test_a_ticket_goes_by_way_of_the_tiles() -> None:
    rows = Ticket(7, 9).rows(3)
    assert (rows.shape, rows.dtype) == ((3, 2), np.int64)
    assert Ticket.of(rows) == Ticket(7, 9)


def test_a_ticket_says_when_nobody_waits() -> None:
    Ticket(7, 100).check(lambda: 100)
    Ticket(7, 0).check()
    with pytest.raises(ServerTimeoutError):
        Ticket(7, 100).check(lambda: 101)


def test_without_a_folder_nothing_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACCTL_TICKETS", raising=False)
    tickets = Tickets()
    ticket = tickets.issue(5)
    assert ticket == Ticket(0, 5)
    assert not tickets.is_out(ticket.number)
    tickets.give_back(ticket.number)
    tickets.clear()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
