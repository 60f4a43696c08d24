"""``bacctl weigh``: an image and a reader's outline in, what it weighs out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.guard import EXIT_SOME_FAILED, UsageError, complain, guarded
from bacctl.cli.options import AsJson, Quiet, ServerOptions, calls_server, spacing_of
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from bacctl.results import ImageResult


@guarded
@calls_server
def weigh(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image.")],
    mask: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="What to weigh: a DICOM SEG of the image, all segments together, or a PNG of one channel on "
            "its stored matrix, 0 outside.",
        ),
    ],
    pixel_spacing: Annotated[
        float | None,
        typer.Option(
            metavar="MM",
            help="Size of a pixel at the detector or on the film, for images that do not tell it.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    server: ServerOptions,
) -> None:
    """Weigh an outline that a reader drew or corrected, in place of what the network finds.

    Prints the calcium mass with its interval, area and length; with --json the document of `bacctl analyze`,
    its image marked as given. Leaves with 0 when it was weighed, 1 when image or outline were refused or
    failed, 2 on wrong usage. Research use only.
    """
    spacing = spacing_of(pixel_spacing)
    for flag, path in (("IMAGE", image), ("--mask", mask)):
        if not path.is_file():
            raise UsageError(f"{flag} {path}: there is no such file; check the path")
    from bac_terms.errors import FailedError, RefusedError
    from bacctl.cli.connect import connect
    from bacctl.outputs.document import analysis_document
    from bacctl.results import ImageResult

    with Sink(form_of(as_json), quiet=quiet) as sink:
        with sink.waiting("calling the server" if server.url else "starting the server"):
            client = connect(server)
        with client:
            info = dict(client.server_info())
            try:
                with sink.waiting("weighing"):
                    result = client.weigh(image, mask, spacing)
            except (RefusedError, FailedError) as error:
                result = ImageResult.from_error(error, path=image)
        sink.document(analysis_document([result], [], skipped=0, server=info))
        if result.status == "ok":
            for line in _lines(result):
                sink.text(line)
    if result.status != "ok":
        complain(f"{image}: {result.code}: {result.reason}")
        raise typer.Exit(EXIT_SOME_FAILED)


def _lines(result: ImageResult) -> list[str]:
    from bacctl.results import INTENDED_USE
    from bacctl.wording import count_of, milligrams, number

    mass = "no mass on this image"
    if result.calcium_mass_mg is not None:
        weighed = milligrams(result.calcium_mass_mg, result.calcium_mass_interval_mg)
        mass = f"calcium {weighed} mg ({result.mass_basis})"
    pieces = count_of(len(result.vessels), "piece")
    return [
        f"{mass}, area {number(result.area_mm2)} mm2, length {number(result.length_mm)} mm, {pieces}",
        "the outline was given, not found; " + INTENDED_USE,
        *(f"{notice.code}: {notice.text}" for notice in result.warnings),
    ]
