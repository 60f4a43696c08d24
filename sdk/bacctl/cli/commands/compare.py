"""``bacctl compare``: two exams of one woman in, the change and whether it is one out."""

from __future__ import annotations

import os
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.guard import EXIT_SOME_FAILED, CommandError, UsageError, guarded
from bacctl.cli.options import (
    AsJson,
    MinProbability,
    Quiet,
    ServerOptions,
    calls_server,
    point_of,
    spacing_of,
)
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from bacctl.results import ExamResult

_SAVED = "analysis.json"


@guarded
@calls_server
def compare(
    prior: Annotated[
        Path, typer.Argument(metavar="PRIOR", help="The earlier exam: its folder, or its saved result.")
    ],
    current: Annotated[
        Path, typer.Argument(metavar="CURRENT", help="The later exam: its folder, or its saved result.")
    ],
    pixel_spacing: Annotated[
        float | None,
        typer.Option(
            metavar="MM",
            help="Size of a pixel at the detector or on the film, for images that do not tell it.",
        ),
    ] = None,
    min_probability: MinProbability = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    server: ServerOptions,
) -> None:
    """Compare two exams of one woman: calcium mass and area, each breast and both.

    An exam is a folder of images, or the document that `bacctl analyze --json` printed. A difference within
    the repeatability limit counts as no change. Leaves with 0 when the exams were compared, 1 when they could
    not be, as where an image failed, or any image was refused, 2 on wrong usage, 130 on Ctrl-C. Research use
    only.
    """
    spacing = spacing_of(pixel_spacing)
    point = point_of(min_probability)
    from bacctl.cli.show.comparison_table import print_comparison
    from bacctl.exam.comparison import compare_exams
    from bacctl.outputs.document import comparison_document
    from bacctl.results.saved import read_saved_exam

    folders = _folders(prior, current)
    saved = {path: read_saved_exam(path) for path in (prior, current) if path not in folders}
    with Sink(form_of(as_json), quiet=quiet) as sink:
        measured, all_well = _measure(folders, server, spacing, point, sink)
        exams = saved | measured
        comparison = compare_exams(exams[prior], exams[current])
        sink.document(comparison_document(comparison))
        print_comparison(sink, comparison)
    if not all_well:
        raise typer.Exit(EXIT_SOME_FAILED)


def _folders(prior: Path, current: Path) -> list[Path]:
    """Tell folders from saved results, and both from what can be neither."""
    from bacctl.sources import is_image, is_missing

    for path in (prior, current):
        if is_missing(path):
            raise UsageError(f"{path}: there is no such file or folder; check the path")
        if os.path.isfile(path) and path.suffix.lower() != ".json" and is_image(path):
            raise UsageError(f"{path}: is one image; give the folder of the exam")
    if os.path.samefile(prior, current):
        raise UsageError(f"{current}: was given twice; give two different exams")
    return [path for path in (prior, current) if os.path.isdir(path)]


def _measure(
    folders: list[Path],
    server: ServerOptions,
    spacing: tuple[float, float] | None,
    point: float | None,
    sink: Sink,
) -> tuple[dict[Path, ExamResult], bool]:
    """Analyse the folders in one run, so that one server does for both."""
    from bacctl.cli.batch import Batch
    from bacctl.exam.build import build_exams
    from bacctl.results.saved import only_exam
    from bacctl.sources import Sources, find_sources
    from bacctl.wording import packed_text

    if not folders:
        return {}, True
    found = {folder: find_sources([folder]) for folder in folders}
    for folder, sources in found.items():
        if not sources.files and not sources.faults:
            saved = folder / _SAVED
            packed = packed_text(len(sources.packed)) if sources.packed else ""
            hint = f", but {packed}; unpack them first" if packed else "; check the path"
            hint = f"; give {saved} itself" if saved.is_file() else hint
            raise UsageError(f"{folder}: holds no image{hint}")
    batch = Batch(sink, out=None, kinds=(), pixel_spacing_mm=spacing, min_probability=point)
    batch.analyse(reduce(Sources.and_those_of, found.values()), server)
    if batch.stop is not None:
        raise batch.stop
    exams = {}
    for folder, sources in found.items():
        own = {*sources.files, *(path for path, _ in sources.faults)}
        images = [image for image in batch.images if image.path in own]
        if not any(image.status == "ok" for image in images):
            raise CommandError(
                f"{folder}: none of its images was analysed, so that there is nothing to compare"
            )
        exams[folder] = only_exam(build_exams(images), images, folder)
    return exams, batch.all_well
