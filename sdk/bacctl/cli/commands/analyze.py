"""``bacctl analyze``: files and folders in, a table or JSON out, files beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.archives import DICOM_KINDS, Archives, DicomwebToken
from bacctl.cli.guard import EXIT_SOME_FAILED, EXIT_USAGE, UsageError, complain, guarded
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
    from bacctl.cli.batch import Batch

# Those of whole exams are `bacctl.cli.saving.makers.EXAM_KINDS`, which --help has no time to import.
SAVE_KINDS = (
    *("json", "csv", "mask", "overlay"),
    *("sr", "seg", "pm", "sc", "pr", "html", "pdf", "fhir", "tables", "parquet", "omop"),
)
_SAVED_TO_OUT = "json,mask,overlay"


@guarded
@calls_server
def analyze(
    paths: Annotated[
        list[Path] | None,
        # One that may not be read is told like any other bad image, and the others are still analysed.
        typer.Argument(metavar="PATH", readable=False, help="Images, and folders of images."),
    ] = None,
    files_from: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Take more paths from this list, one a line; - reads stdin."),
    ] = None,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="NUL bytes end the paths of the list, as of find -print0.")
    ] = False,
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
    min_probability: MinProbability = None,
    exam_per_folder: Annotated[
        bool,
        typer.Option(
            "--exam-per-folder",
            help="Take the images that lie in one folder for one exam, whatever study their headers name.",
        ),
    ] = False,
    labelmap: Annotated[
        bool,
        typer.Option(
            "--labelmap",
            help="Write seg as one map of numbers: smaller and faster, but few viewers and archives take it.",
        ),
    ] = False,
    deidentify: Annotated[
        bool,
        typer.Option(
            "--deidentify",
            help="Take what names a woman, a place or a day out of all files but json, mask and overlay, "
            "and change UIDs.",
        ),
    ] = False,
    from_dicomweb: Annotated[
        list[str] | None,
        typer.Option(
            "--from-dicomweb",
            metavar="URL",
            help="Fetch and analyse the mammograms of a study: https://HOST/dicom-web/studies/UID.",
        ),
    ] = None,
    to_dicomweb: Annotated[
        str | None,
        typer.Option(
            "--to-dicomweb",
            metavar="URL",
            help="Store the DICOM results there too: https://HOST/dicom-web.  [with sr,seg,pm,sc,pr, "
            "unless --save names some of them]",
        ),
    ] = None,
    dicomweb_token_file: DicomwebToken = None,
    prior: Annotated[
        Path | None,
        typer.Option(
            metavar="DOCUMENT",
            help="Saved result (analysis.json) of an earlier exam of the same woman, to stand beside this "
            "one in sc, pr, html and pdf.",
        ),
    ] = None,
    as_json: AsJson = False,
    as_lines: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            allow_from_autoenv=False,
            help="Print one JSON object a line: images as they come, exams, a summary.",
        ),
    ] = False,
    quiet: Quiet = False,
    *,
    server: ServerOptions,
) -> None:
    """Find, outline and weigh arterial calcification on mammograms.

    Takes DICOM, and PNG, TIFF and JPEG with --pixel-spacing. Leaves with 0 when every image was analysed,
    1 when any was refused or failed, 2 on wrong usage, 130 on Ctrl-C and 143 on SIGTERM, after which the
    results so far are kept. Research use only.
    """
    kinds = kinds_of(save if save is not None else "" if out is None else _SAVED_TO_OUT)
    spacing = spacing_of(pixel_spacing)
    point = point_of(min_probability)
    form = form_of(as_json, as_lines)
    out = out or Path("bacctl-out")
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out}: is a file; give a folder with --out")
    paths = paths or []
    archives = Archives.of(from_dicomweb or [], to_dicomweb, dicomweb_token_file)
    if to_dicomweb is not None and not set(kinds) & set(DICOM_KINDS):
        kinds += DICOM_KINDS
    if not paths and files_from is None and not archives.studies:
        raise UsageError("nothing to analyse; give images or folders, or a list of them with --files-from")
    if prior is not None and not os.path.isfile(prior):
        raise UsageError(f"--prior {prior}: no such file; give the analysis.json of the earlier exam")
    if null and files_from is None:
        raise UsageError("-0 is of --files-from; give the list as well")

    from bac_terms.errors import FailedError
    from bacctl.cli.batch import Batch
    from bacctl.cli.listing import read_listing
    from bacctl.cli.saving.prior import read_prior
    from bacctl.sources import is_missing
    from bacctl.wording import packed_text

    with Sink(form, quiet=quiet) as sink, archives:
        listed = None if files_from is None else read_listing(files_from, null=null)
        batch = Batch(
            sink,
            out=out,
            kinds=kinds,
            pixel_spacing_mm=spacing,
            min_probability=point,
            exam_per_folder=exam_per_folder,
            labelmap=labelmap,
            deidentify=deidentify,
            prior=None if prior is None else read_prior(prior),
        )
        missing = [path for path in paths if is_missing(path)]
        if missing:
            for path in missing:
                fault = FailedError(
                    "BAC-FILE-UNREADABLE", "there is no such file or folder", "check the path"
                )
                batch.fail(path, fault)
        else:
            batch.run([*paths, *archives.fetch(sink, batch.fail)], server, listed=listed or [])
        batch.finish()
        archives.store(sink, batch.exams)
        _show(batch, sink, table=not missing)
    if batch.stop is not None:
        raise batch.stop
    if missing or not batch.images:
        if not missing:
            places = [str(path) for path in paths] + ([] if listed is None else ["the list"])
            places += from_dicomweb or []
            hint = f", but {packed_text(batch.packed)}; unpack them first" if batch.packed else ""
            complain(f"nothing to analyse: no image found in {', '.join(places)}{hint}")
        raise typer.Exit(EXIT_USAGE)
    if not batch.all_well or archives.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def kinds_of(save: str) -> tuple[str, ...]:
    """Check ``--save`` and return its kinds."""
    kinds = tuple(dict.fromkeys(kind for part in save.split(",") if (kind := part.strip().lower())))
    for kind in kinds:
        if kind not in SAVE_KINDS:
            raise UsageError(f"--save {kind}: unknown; choose from {', '.join(SAVE_KINDS)}")
    return kinds


def _show(batch: Batch, sink: Sink, *, table: bool) -> None:
    from bacctl.wording import count_of

    summary = batch.summary()
    sink.document(batch.document())
    if sink.form == "human" and table and batch.images:
        from bacctl.cli.show.table import print_results

        print_results(sink, batch.images, batch.exams, unfinished=batch.unreached > 0)
        sink.text(summary.text())
        if batch.saved:
            sink.text(f"{count_of(batch.saved, 'file')} written to {batch.out}/")
    elif batch.images and sink.form != "human" and sys.stderr.isatty():
        sink.talk(summary.text())  # a program has the document, or the last line
    if batch.replaced:
        # Told to --quiet too: they may have been another woman's.
        were = "was" if batch.replaced == 1 else "were"
        complain(
            f"{count_of(batch.replaced, 'file')} of an earlier run in {batch.out}/ {were} replaced; "
            "give every run a folder of its own with --out"
        )
