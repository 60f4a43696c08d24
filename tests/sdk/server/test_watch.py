"""The watch over an embedded server, with a server that is none and a clock that is set."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bac_terms.errors import BacctlError, ModelDiedError, ServerUnavailableError, from_catalogue
from bacctl.keeper.ask import ask_unless
from bacctl.keeper.restart import Restarts
from bacctl.keeper.watch import Watch


class World:
    """A server, its answers and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running = True
        self.url = "127.0.0.1:8001"
        self.well = True
        self.healed_by_restart = True
        self.asked = 0
        self.restarted = 0
        self.said: list[str] = []
        server: Any = self
        self.code = "BAC-SERVER-FAULT"
        self.fault: BacctlError | None = None
        self.answers = 0
        self.mixed_up = False
        self.end = 0.0
        self.dead: list[str] = []
        self.revived = 0
        self.revivable = True
        self.ending = False
        self.restarts = Restarts(
            server, self.ask, self.said.append, self.revive, self.pause, clock=lambda: self.now
        )
        self.watch = Watch(
            "the server",
            self.ask,
            self.said.append,
            ended=lambda: (
                f"{self.dead[0]} died" if self.dead else None if self.running else "it ended by itself"
            ),
            mixed_up=lambda: self.mixed_up,
            answered=self.answered,
            clock=lambda: self.now,
        )

    def ask(self) -> None:
        self.asked += 1
        if not self.well:
            raise self.fault or from_catalogue(self.code, "a model of the server has died")

    def answered(self) -> int:
        return self.answers

    def dead_steps(self) -> list[str]:
        return self.dead if self.running else []

    def revive(self) -> bool:
        self.revived += 1
        self.now += 2.0
        if self.revivable:
            self.dead = []
        return self.revivable

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return self.ending

    def restart(self) -> None:
        self.restarted += 1
        self.dead = []
        self.now += 5.0
        self.mixed_up = False
        self.running = self.well = self.healed_by_restart
        if not self.healed_by_restart:
            raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "did not start")

    def pass_time(self, seconds: float) -> None:
        self.end = self.now + seconds
        stop: Any = SimpleNamespace(wait=self.wait, is_set=lambda: False)
        for why in self.watch.faults(stop):
            self.restarts.start_again(why)

    def wait(self, seconds: float) -> bool:
        over = self.now >= self.end
        self.now += 0.0 if over else seconds
        return over


def test_a_server_that_is_well_is_asked_now_and_then() -> None:
    world = World()
    world.pass_time(100.0)
    assert (world.asked, world.restarted, world.said) == (3, 0, [])


def test_one_failure_may_be_a_coincidence() -> None:
    world = World()
    world.well = False
    world.pass_time(30.0)
    world.well = True
    world.pass_time(40.0)
    assert world.restarted == 0
    assert len(world.said) == 1
    assert "test image 1 of 2 failed: BAC-SERVER-FAULT" in world.said[0]


def test_two_failures_are_answered_with_a_new_start() -> None:
    world = World()
    world.well = False
    world.pass_time(31.0)
    assert world.restarted == 1
    assert [line.split(":")[0] for line in world.said] == [
        "test image 1 of 2 failed",
        "test image 2 of 2 failed",
        "the server measures no test image any more",
        "the server answers again at 127.0.0.1",
    ]
    assert all("\n" not in line for line in world.said)
    world.pass_time(100.0)
    assert world.restarted == 1


def test_a_model_that_triton_gave_up_is_no_coincidence() -> None:
    """Of a step that hangs Triton says so after 30 s, and again after 30 s."""
    world = World()
    world.well, world.fault = False, ModelDiedError("BAC-SERVER-FAULT", "a model of the server has died")
    world.pass_time(30.0)
    assert (world.asked, world.restarted) == (2, 1)
    assert world.said[0].startswith("a model of the server has died or hangs: starting it again")


def test_a_busy_server_is_left_alone_and_a_stuck_one_is_not() -> None:
    world = World()
    world.well, world.code = False, "BAC-SERVER-TIMEOUT"
    for _ in range(10):
        world.answers += 3
        world.pass_time(30.0)
    assert (world.restarted, world.said) == (0, [])
    world.pass_time(62.0)
    assert world.restarted == 1


def test_a_server_that_ended_is_started_at_once() -> None:
    world = World()
    world.running = False
    world.pass_time(0.5)
    assert world.restarted == 1
    assert world.asked == 1  # before it is called well again
    assert "it ended by itself" in world.said[0]


def test_a_server_that_does_not_start_is_given_time_and_then_given_up() -> None:
    world = World()
    world.running = world.healed_by_restart = False
    began = world.now
    with pytest.raises(BacctlError, match="after 8 new starts in a row; run again with --log"):
        world.pass_time(0.5)
    assert world.restarted == 8
    # Eight starts of five seconds, and 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds in between.
    assert world.now - began == pytest.approx(0.5 + 8 * 5.0 + 91.0)


def test_a_server_that_does_not_stay_up_is_given_up_but_one_that_fails_now_and_then_is_not() -> None:
    world = World()
    for _ in range(30):
        world.pass_time(70.0)
        world.running = False
    for _ in range(8):
        world.pass_time(10.0)
        world.running = False
    with pytest.raises(BacctlError, match="8 new starts in a row"):
        world.pass_time(10.0)
    assert world.restarted > 30


def test_a_service_that_is_to_end_waits_for_no_start() -> None:
    world = World()
    world.running = world.healed_by_restart = False
    world.ending = True
    world.pass_time(0.5)
    assert world.restarted == 1


def test_a_dead_step_alone_is_loaded_again() -> None:
    world = World()
    world.dead = ["bac_segment"]
    world.pass_time(0.5)
    assert (world.revived, world.restarted, world.asked) == (1, 0, 1)
    assert world.said[0] == "bac_segment died: starting it again (1 of at most 8 in a row)"
    assert "answers again" in world.said[1]


def test_a_step_that_cannot_be_loaded_takes_a_new_start() -> None:
    for fault in ("not loaded", "not measuring", "mixed up"):
        world = World()
        world.dead = ["bac_quantify"]
        world.revivable = fault != "not loaded"
        world.well = fault != "not measuring"
        world.mixed_up = fault == "mixed up"
        world.pass_time(0.5)
        assert world.restarted == 1
        assert world.revived == (fault != "mixed up")


def test_other_faults_are_not_swallowed() -> None:
    world = World()
    world.watch._ask = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        world.pass_time(31.0)


def test_a_server_that_mixed_up_images_gets_no_second_chance() -> None:
    world = World()
    world.mixed_up = True
    world.pass_time(0.5)
    assert (world.asked, world.restarted) == (1, 1)  # asked once it was there again
    assert world.said[0] == (
        "the server gave a request the answer to another: starting it again (1 of at most 8 in a row)"
    )


def test_nor_does_one_that_mixed_up_the_test_image() -> None:
    world = World()
    world.well, world.code = False, "BAC-SERVER-MIXED-UP"
    world.pass_time(30.0)
    assert world.restarted == 1
    assert "the answer to another" in world.said[0]


def test_a_test_image_is_not_waited_for_once_its_step_has_died() -> None:
    release = threading.Event()
    looks = iter([None, "the process of bac_segment has died"])
    with pytest.raises(BacctlError, match="BAC-SERVER-FAULT: the process of bac_segment has died"):
        ask_unless(lambda: next(looks), lambda: release.wait(60))
    release.set()
    assert ask_unless(lambda: None, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        ask_unless(lambda: None, lambda: 1 / 0)
