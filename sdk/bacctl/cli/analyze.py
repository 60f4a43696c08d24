"""``bacctl analyze``: files and folders in, a table or one JSON document out, files beside it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.console import Console, stdout_kept_clean
from bacctl.cli.guard import EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_USAGE, UsageError, complain, guarded
from bacctl.cli.options import spacing_of

if TYPE_CHECKING:
    from bacctl.cli.batch import Batch

SAVE_KINDS = ("json", "csv", "mask", "overlay")
_SAVED_TO_OUT = "json,mask,overlay"
_LATER_KINDS = ("seg", "sr", "pm", "sc", "html")


@guarded
def analyze(
    paths: Annotated[
        # One that may not be read is told like any other bad image, and the others are still analysed.
        list[Path], typer.Argument(metavar="PATH", readable=False, help="Images, and folders of images.")
    ],
    url: Annotated[
        str | None,
        typer.Option(
            envvar="BACCTL_URL",
            metavar="HOST:PORT",
            help="A server that runs already; without it one is started here and stopped again.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where files are written.  [default: bacctl-out]")
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help=f"What to write, separated by commas: {', '.join(SAVE_KINDS)}.  "
            f"[default: nothing, or {_SAVED_TO_OUT} where --out is given]",
        ),
    ] = None,
    pixel_spacing: Annotated[
        float | None,
        typer.Option(
            metavar="MM",
            help="Size of a pixel at the detector or on the film, for images that do not tell it; "
            "those that do must agree with it. Vessels are looked for at this scale.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk.")] = False,
) -> None:
    """Find, outline and weigh arterial calcification on mammograms.

    Takes DICOM, and PNG, TIFF and JPEG with --pixel-spacing. Leaves with 0 when every image was analysed,
    1 when any was refused or failed, 2 on wrong usage, 130 on Ctrl-C. Research use only.
    """
    kinds = _kinds(save if save is not None else "" if out is None else _SAVED_TO_OUT)
    spacing = spacing_of(pixel_spacing)
    out = out or Path("bacctl-out")
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out}: is a file; give a folder with --out")

    from bacctl.cli.batch import Batch
    from bacctl.sources import is_missing

    batch = Batch(Console(quiet=quiet), out=out, kinds=kinds, pixel_spacing_mm=spacing)
    missing = [path for path in paths if is_missing(path)]
    with stdout_kept_clean() if as_json else nullcontext():
        if missing:
            for path in missing:
                batch.fail(path, "BAC-FILE-UNREADABLE", "there is no such file or folder; check the path")
        else:
            batch.run(paths, url or None)
        batch.finish()
    if as_json or not missing:
        _show(batch, as_json)
    if batch.interrupted:
        complain("stopped")
        raise typer.Exit(EXIT_INTERRUPTED)
    if missing or not batch.images:
        if not missing:
            complain("nothing to analyse: no image found in " + ", ".join(str(path) for path in paths))
        raise typer.Exit(EXIT_USAGE)
    if not batch.all_well:
        raise typer.Exit(EXIT_SOME_FAILED)


def _kinds(save: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(kind for part in save.split(",") if (kind := part.strip().lower())))
    for kind in kinds:
        if kind in _LATER_KINDS:
            raise UsageError(f"--save {kind}: not in this version; choose from {', '.join(SAVE_KINDS)}")
        if kind not in SAVE_KINDS:
            raise UsageError(f"--save {kind}: unknown; choose from {', '.join(SAVE_KINDS)}")
    return kinds


def _show(batch: Batch, as_json: bool) -> None:
    if as_json:
        from bacctl.outputs.document import document_text

        typer.echo(document_text(batch.document()), nl=False)
    elif batch.images:
        from bacctl.cli.table import print_results
        from bacctl.outputs.wording import count_of

        print_results(batch.images, batch.exams, skipped=batch.skipped)
        if batch.saved:
            typer.echo(f"{count_of(batch.saved, 'file')} written to {batch.out}/")
