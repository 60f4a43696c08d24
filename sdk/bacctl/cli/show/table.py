"""The table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bacctl.cli.show.image_names import common_folder, image_names
from bacctl.cli.sink import Sink
from bacctl.exam.alarms import NO_SUM
from bacctl.results import INTENDED_USE, ExamResult, ImageResult
from bacctl.wording import escaped, milligrams, number, point_text

if TYPE_CHECKING:
    from rich.console import Console

# Below this width the length of the arteries is left out: the names of the images need the room.
_ALL_COLUMNS = 100
_GAP = 2  # a space of the border and one of the padding
_SHORTEST_NAME = 12
_WIDEST = 10_000
_BREASTS = {"L": "left", "R": "right"}


def print_results(
    sink: Sink, images: Sequence[ImageResult], exams: Sequence[ExamResult], *, unfinished: bool = False
) -> None:
    """Print the images, the exams and what should be known of them.

    Parameters
    ----------
    sink : Sink
        Where to.
    images : sequence of ImageResult
        One row each.
    exams : sequence of ExamResult
        One line each, where there is a view to go by.
    unfinished : bool
        Whether images of these exams may be among those that were not reached.
    """

    def make(console: Console) -> None:
        folder, table = _images(images, console.width, cut=sink.is_terminal)
        if folder:
            console.print(Text(f"images in {folder}/"), soft_wrap=True)
        if not sink.is_terminal:
            # Names may be wider than the console; the values beside them must not be cut for it.
            anything = console.options.update(max_width=_WIDEST)
            console.width = max(console.width, Measurement.get(console, anything, table).maximum)
        console.print(table)
        for line in (*_points(images), *_notices(images)):
            console.print(Text(line, style="dim"), soft_wrap=True)
        measured = [
            exam for exam in exams if exam.alarms or any(breast.views for breast in exam.breasts.values())
        ]
        for place, exam in enumerate(measured, 1):
            whose = f"woman{_which(exam, place) if len(measured) > 1 else ''}: "
            # Which study an image belongs to is known once it was analysed; four views are a whole exam.
            cut = unfinished and exam.missing_views and not _without_sum(exam)
            console.print(_cut_exam(whose, exam) if cut else _exam(whose, exam), soft_wrap=True)
        console.print(Text(f"{INTENDED_USE.capitalize()}, not for diagnosis.", style="bold"))

    sink.render(make)


def _images(images: Sequence[ImageResult], width: int, *, cut: bool) -> tuple[str, Table]:
    """Make the table, and name the folder that all images lie in: rows show the ends of their paths."""
    with_length = width >= _ALL_COLUMNS
    titles = ["view", "BAC", "calcium mg [95 %]", "basis", "area mm2"]
    titles += ["length mm"] if with_length else []
    rows = [_cells(image, with_length) for image in images]
    paths = [str(image.path) for image in images]
    widths = [max(map(len, column)) for column in zip(titles, *(map(str, row) for row in rows), strict=True)]
    room = max(_SHORTEST_NAME, width - sum(widths) - _GAP * len(titles))
    names = image_names(paths, room if cut else None)
    folder = escaped(common_folder(paths))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("image", no_wrap=True)
    for title in titles:
        table.add_column(
            title, no_wrap=True, justify="left" if title in ("view", "BAC", "basis") else "right"
        )
    for name, row in zip(names, rows, strict=True):
        table.add_row(Text(name), *row)
    return folder, table


def _cells(image: ImageResult, with_length: bool) -> list[Text]:
    view = Text(" ".join(part for part in (image.laterality, image.view) if part) or "-")
    if image.status != "ok":
        found = [Text("-"), Text(image.code or "-", style="red"), Text(image.status, style="red"), Text("-")]
        return [view, *found, *([Text("-")] if with_length else [])]
    return [
        view,
        Text("yes", style="bold yellow") if image.bac_detected else Text("no"),
        Text(milligrams(image.calcium_mass_mg, image.calcium_mass_interval_mg)),
        Text(image.mass_basis),
        Text(number(image.area_mm2)),
        *([Text(number(image.length_mm))] if with_length else []),
    ]


def _points(images: Sequence[ImageResult]) -> list[str]:
    """Name the operating points that leave anything out."""
    points = sorted({image.min_probability for image in images if image.min_probability})
    return [point_text(point) for point in points]


def _notices(images: Sequence[ImageResult]) -> list[str]:
    """Tell every kind of warning once, however often it was raised."""
    first: dict[str, str] = {}
    count: dict[str, int] = {}
    for image in images:
        for code, text in dict.fromkeys((notice.code, notice.text) for notice in image.warnings):
            first.setdefault(code, text)
            count[code] = count.get(code, 0) + 1
    return [f"{code} ({count[code]}x): {escaped(text)}" for code, text in first.items()]


def _which(exam: ExamResult, place: int) -> str:
    if exam.folder is not None:
        return f" in {escaped(exam.folder)}"
    return f" {place}" if exam.study_instance_uid is None else f" of study {exam.study_instance_uid}"


def _without_sum(exam: ExamResult) -> bool:
    """Tell whether no image counts although there are some."""
    return bool({alarm.code for alarm in exam.alarms} & NO_SUM)


def _cut_exam(whose: str, exam: ExamResult) -> Text:
    text = Text(whose, style="bold")
    return text.append(f"not finished, without {', '.join(exam.missing_views)} so far", style="not bold")


def _exam(whose: str, exam: ExamResult) -> Text:
    text = Text(whose, style="bold")
    without = [side for side, breast in exam.breasts.items() if breast.calcium_mass_mg is None]
    half = not exam.complete and len(without) == 1
    unsummed = _without_sum(exam)
    if unsummed:
        text.append("no sum", style="not bold")
    elif half:  # "not measured" would contradict the row of the view that was
        text.append(f"no mass without the {_BREASTS[without[0]]} breast", style="not bold")
    elif exam.calcium_mass_mg is None:
        text.append("mass not measured", style="not bold")
        if exam.area_estimate is not None and exam.area_estimate.central_mg > 0.0:
            about = milligrams(exam.area_estimate.central_mg, exam.area_estimate.interval_mg)
            text.append(f", from its area about {about} mg", style="not bold")
    else:
        text.append(f"{milligrams(exam.calcium_mass_mg, exam.calcium_mass_interval_mg)} mg calcium")
    if exam.mass_category is not None:
        text.append(f", category {exam.mass_category} mg")
    if exam.area_mm2 is not None:
        text.append(f", area {number(exam.area_mm2)} mm2", style="not bold")
    if exam.missing_views and not unsummed:
        word = "missing:" if half else "without"
        text.append(f"; {word} {', '.join(exam.missing_views)}", style="not bold")
    for alarm in exam.alarms:
        text.append(f"; {alarm.code}: {escaped(alarm.text)}", style="red")
    return text
