"""The table that people read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bacctl.outputs.wording import count_of, milligrams, number, one_line
from bacctl.results import INTENDED_USE, ExamResult, ImageResult

# Into a file or a pipe there is no terminal to fit; results must not be cut there.
_PIPED_WIDTH = 160


def print_results(images: Sequence[ImageResult], exams: Sequence[ExamResult], *, skipped: int) -> None:
    """Print the images, the exams and what was passed over.

    Parameters
    ----------
    images : sequence of ImageResult
        One row each.
    exams : sequence of ExamResult
        One line each, where there is a view to go by.
    skipped : int
        Files in folders that are no image.
    """
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    console.print(_images(images))
    noticed = Counter((notice.code, notice.text) for image in images for notice in image.warnings)
    for (code, text), count in noticed.items():
        console.print(Text(f"{code} ({count}x): {one_line(text)}", style="dim"), soft_wrap=True)
    measured = [exam for exam in exams if any(breast.views for breast in exam.breasts.values())]
    for exam in measured:
        study = f" of study {exam.study_instance_uid}" if len(measured) > 1 else ""
        console.print(_exam(f"woman{study}: ", exam), soft_wrap=True)
    if skipped:
        console.print(f"skipped, since no image: {count_of(skipped, 'file')}")
    console.print(Text(f"{INTENDED_USE.capitalize()}, not for diagnosis.", style="bold"))


def _images(images: Sequence[ImageResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("view")
    table.add_column("BAC")
    table.add_column("calcium mg [95 %]", justify="right")
    table.add_column("basis", overflow="fold")  # codes stand here too, and must not be cut
    table.add_column("area mm2", justify="right")
    table.add_column("length mm", justify="right")
    for image in images:
        view = " ".join(part for part in (image.laterality, image.view) if part) or "-"
        name = Text(one_line(str(image.path)))
        if image.status != "ok":
            table.add_row(name, view, Text(image.status, style="red"), "-", image.code or "-", "-", "-")
            continue
        table.add_row(
            name,
            view,
            Text("yes", style="bold yellow") if image.bac_detected else Text("no"),
            milligrams(image.calcium_mass_mg, image.calcium_mass_interval_mg),
            image.mass_basis,
            number(image.area_mm2),
            number(image.length_mm),
        )
    return table


def _exam(whose: str, exam: ExamResult) -> Text:
    text = Text(whose, style="bold")
    if exam.calcium_mass_mg is None:
        text.append("mass not measured", style="not bold")
    else:
        text.append(f"{milligrams(exam.calcium_mass_mg, exam.calcium_mass_interval_mg)} mg calcium")
    if exam.mass_category is not None:
        text.append(f", category {exam.mass_category} mg")
    if exam.area_mm2 is not None:
        text.append(f", area {number(exam.area_mm2)} mm2", style="not bold")
    if exam.missing_views:
        text.append(f"; without {', '.join(exam.missing_views)}", style="not bold")
    for alarm in exam.alarms:
        text.append(f"; {alarm.code}: {one_line(alarm.text)}", style="red")
    return text
