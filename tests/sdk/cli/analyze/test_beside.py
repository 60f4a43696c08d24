"""Files are written while the next image is measured: in order, none lost, and never many at a time."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film

from bacctl.cli.saving import saver
from bacctl.cli.saving.beside import Beside
from bacctl.results import ImageResult


def test_an_image_is_measured_while_the_files_of_the_last_are_written(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for_b = threading.Event()
    measure, make = client.result, saver.mask_png

    def result(path: Path) -> ImageResult:
        if path.stem == "b":
            asked_for_b.set()
        return measure(path)

    def mask_png(mask: Any) -> bytes:
        assert asked_for_b.wait(60)
        return make(mask)

    monkeypatch.setattr(client, "result", result)
    monkeypatch.setattr(saver, "mask_png", mask_png)
    for stem in "abc":
        film(tmp_path / "in", stem)
    code, out, _ = run("analyze", tmp_path / "in", "--json", "--out", "res", "--save", "mask")
    assert code == 0
    assert [Path(image["path"]).stem for image in json.loads(out)["images"]] == ["a", "b", "c"]
    assert sorted(path.name for path in Path("res").iterdir()) == ["a.mask.png", "b.mask.png", "c.mask.png"]


def test_masks_do_not_pile_up(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = client.result
    masks: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def result(path: Path) -> ImageResult:
        alive.append(sum(mask() is not None for mask in masks))
        found = measure(path)
        masks.append(weakref.ref(found.mask))
        return found

    monkeypatch.setattr(client, "result", result)
    for number in range(40):
        film(tmp_path / "in", f"{number:02d}")
    code, *_ = run("analyze", tmp_path / "in", "--json", "--out", "res", "--save", "mask")
    assert code == 0
    # One being written, one waiting, one in the hand of whoever brings the next.
    assert max(alive) <= 3


def test_no_more_wait_than_allowed() -> None:
    go_on = threading.Event()
    given: list[int] = []

    def bring(beside: Beside[int]) -> None:
        for number in range(5):
            given.append(number)
            beside.give(number)

    done: list[int] = []

    def work(number: int) -> None:
        assert go_on.wait(60)
        done.append(number)

    with Beside(work) as beside:
        bringing = threading.Thread(target=bring, args=(beside,))
        bringing.start()
        bringing.join(0.3)
        assert len(given) <= 2
        go_on.set()
        bringing.join(60)
    assert done == [0, 1, 2, 3, 4]


def test_what_the_work_raises_reaches_whoever_gives() -> None:
    def work(number: int) -> None:
        raise BrokenPipeError

    def give(numbers: Iterator[int]) -> None:
        with Beside(work) as beside:
            for number in numbers:
                beside.give(number)

    with pytest.raises(BrokenPipeError):
        give(iter(range(1)))
    numbers = iter(range(100))
    with pytest.raises(BrokenPipeError):
        give(numbers)
    assert next(numbers) < 4


def test_what_was_given_is_done_when_the_block_is_interrupted() -> None:
    done: list[int] = []
    go_on = threading.Event()

    def work(number: int) -> None:
        assert go_on.wait(60)
        done.append(number)

    def interrupted() -> None:
        with Beside(work) as beside:
            beside.give(1)
            go_on.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [1]
