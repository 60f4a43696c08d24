"""``bacctl archive merge``: one table of all shards."""

from __future__ import annotations

from typing import Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import about, complain, guarded
from bacctl.cli.options import AsJson
from bacctl.cli.sink import Sink, form_of
from bacctl.wording import count_of


@guarded
def merge(
    run: Annotated[str, typer.Argument(metavar="DIR", help="The --out of `bacctl archive run`.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="Where the Parquet file goes; s3:// too.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Also where shards are not complete; the file says so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the results of all shards into one Parquet file, once all are complete. Research use only."""
    with needs("archive"):
        from bacctl.archive.run.merge import merge as merge_parts
    with Sink(form_of(as_json)) as sink:
        with sink.waiting("merging"), about(run, "BAC-ARCHIVE-"):
            merged = merge_parts(run, out, partial=partial)
        sink.document(
            {
                "out": out,
                "images": merged.images,
                "partial": bool(merged.incomplete),
                "missing_images": merged.missing,
                "incomplete_shards": list(merged.incomplete),
            }
        )
        sink.text(f"{out}: {count_of(merged.images, 'image')}")
    if merged.incomplete:
        complain(
            f"partial: {count_of(merged.missing, 'image')} of the manifest missing, since "
            f"{count_of(len(merged.incomplete), 'shard')} not complete"
        )
