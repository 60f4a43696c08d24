"""``bacctl archive scan``: what is in an archive, by its headers."""

from __future__ import annotations

from typing import Annotated

import typer

from bacctl.cli.archives import TOKEN_VARIABLE, DicomwebToken
from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, UsageError, about, complain, guarded
from bacctl.cli.options import AsJson, Quiet, spacing_of
from bacctl.cli.sink import Sink, form_of

_MOST_TOLD = 10


@guarded
def scan(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, s3://BUCKET/PREFIX, a DICOMweb service (https://HOST/dicom-web), or a manifest, "
            "whose source is scanned once more and compared with it.",
        ),
    ],
    out: Annotated[
        str, typer.Option(metavar="FILE", help="Where the manifest goes: a path or s3://BUCKET/KEY.")
    ],
    pixel_spacing: Annotated[
        float | None,
        typer.Option(
            metavar="MM", help="Size of a pixel that the run will be given, for images that do not tell it."
        ),
    ] = None,
    dicomweb_token_file: DicomwebToken = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Look through the headers of an archive, and write its manifest.

    One row an image: of which study and device it is, whether it would be measured and else why not, whether
    it is there twice, what it will cost. No pixels are read. Leaves with 1 where something could not be
    looked into. Research use only.
    """
    given = spacing_of(pixel_spacing)
    with needs("archive"):
        from bacctl.archive.scanning.scan import scan as look_through
    authorization = None
    if source.startswith(("https://", "http://")):
        with needs("dicom-network"):
            from bacctl.pacs.session import authorization_of
            from bacctl.pacs.web import WebArchive
        try:
            authorization = authorization_of(dicomweb_token_file, TOKEN_VARIABLE)
            WebArchive(source, authorization)  # sends nothing yet, and refuses what is no address
        except ValueError as error:
            raise UsageError(str(error)) from None
    elif dicomweb_token_file is not None:
        raise UsageError("--dicomweb-token-file: is for a DICOMweb service; leave it out")
    with Sink(form_of(as_json), quiet=quiet) as sink:
        of_source = about(source, "BAC-FILE-", "BAC-ARCHIVE-MANIFEST")
        with needs("archive"), of_source, sink.progress("scanning", "image") as show:
            summary = look_through(
                source,
                out,
                given=given,
                authorization=authorization,
                progress=lambda images: show(images, None),
            )
        sink.document({**summary.to_dict(), "manifest": out})
        from bacctl.cli.show.scan_tables import print_summary

        print_summary(sink, summary)
        sink.text(f"manifest: {out}")
    for uri, code, text in summary.faults.first[:_MOST_TOLD]:
        complain(f"{uri}: {code}: {text}")
    if summary.faults.count > _MOST_TOLD:
        complain(f"and {summary.faults.count - _MOST_TOLD} more; --json lists them")
    if summary.faults.count:
        raise typer.Exit(EXIT_SOME_FAILED)
