"""What an image costs as the breast, the detector and the number of images grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bac_imaging.pipeline import prepare
from bacctl.bench.drive import Driven
from bacctl.bench.errors import BenchError
from bacctl.bench.inputs import on_larger_detector, repeated
from bacctl.bench.plan import Bench
from bacctl.bench.processes import processor_s

_ROUNDS = 2  # of each figure: processor time varies less than time
_REPEATED = 3
_MM2 = 0.01  # of a working pixel


def measure_cost(bench: Bench) -> None:
    """Measure processor time: of one breast on larger detectors, of several breasts, of several numbers."""
    _of_detectors(bench)
    _of_breasts(bench)
    _of_numbers(bench)


def _of_detectors(bench: Bench) -> None:
    sizes = {size: bench.folder / f"detector-{size:g}.dcm" for size in bench.amount.sizes}
    for image in bench.images:
        try:
            for size, path in sizes.items():
                path.write_bytes(on_larger_detector(image, size))
        except BenchError:  # as one's own images may be; the next one, or none
            continue
        break
    else:
        bench.progress("no image can be put onto a larger detector")
        return
    for number, driven in bench.in_turn(min(_ROUNDS, bench.amount.rounds), bench.driven):
        bench.progress(f"cost of the detector, round {number + 1}")
        for one in driven:
            for size, path in sizes.items():
                spent = _core_s(one, [path] * _REPEATED)
                at = f"detector of {size:g} times the area"
                bench.notes.note(("cost", "one breast", at), "core s/view", one.subject.name, spent)


def _of_breasts(bench: Bench) -> None:
    for image in sorted(bench.images, key=_breast_mm2):
        area = round(_breast_mm2(image) / 100.0)
        for one in bench.driven:
            bench.progress(f"cost of a breast of {area} cm2")
            spent = _core_s(one, [image] * _REPEATED)
            note = ("cost", "breasts", f"{area} cm2")
            bench.notes.note(note, "core s/view", one.subject.name, spent)


def _of_numbers(bench: Bench) -> None:
    for number, driven in bench.in_turn(min(_ROUNDS, bench.amount.rounds), bench.driven):
        bench.progress(f"cost of the number of images, round {number + 1}")
        for one in driven:
            for count in bench.amount.counts:
                spent = _core_s(one, repeated(bench.images[:1], count))
                note = ("cost", "run", f"{count} images")
                bench.notes.note(note, "core s/view", one.subject.name, spent)


def _breast_mm2(image: Path) -> float:
    return float(prepare(image.read_bytes()).breast.sum()) * _MM2


def _core_s(one: Driven, images: Sequence[Path]) -> float:
    before = sum(processor_s(one.pids).values())
    one.closed(images, 1)
    return (sum(processor_s(one.pids).values()) - before) / len(images)
