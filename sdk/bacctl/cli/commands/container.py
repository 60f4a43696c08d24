"""``bacctl container``: one run as MONAI Deploy, Holoscan and mercure call an image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.guard import EXIT_SOME_FAILED, EXIT_USAGE, UsageError, complain, guarded
from bacctl.cli.options import ServerOptions, calls_server
from bacctl.cli.sink import Sink

CONTRACTS = {
    "MONAI_INPUTPATH": "MONAI_OUTPUTPATH",
    "HOLOSCAN_INPUT_PATH": "HOLOSCAN_OUTPUT_PATH",
    "MERCURE_IN_DIR": "MERCURE_OUT_DIR",
}
"""Variables that say where the input lies, each with the one that says where the output goes."""


@guarded
@calls_server
def container(
    save: Annotated[
        str, typer.Option(metavar="LIST", help="What to write, as for `bacctl analyze`.")
    ] = "json,sr,seg,pm,sc,pr",
    *,
    server: ServerOptions,
) -> None:
    """Analyse what a container's caller has laid down, and write results where it looks for them.

    Reads MONAI_INPUTPATH, HOLOSCAN_INPUT_PATH or MERCURE_IN_DIR and writes to MONAI_OUTPUTPATH,
    HOLOSCAN_OUTPUT_PATH or MERCURE_OUT_DIR. Leaves with 0 when every image has its answer and one at the
    least was measured, with 1 when none was or something failed, 2 on wrong usage. Research use only.
    """
    source, out = folders_of(os.environ)

    from bacctl.cli.batch import Batch
    from bacctl.cli.commands.analyze import kinds_of

    with Sink() as sink:
        batch = Batch(sink, out=out, kinds=kinds_of(save), pixel_spacing_mm=None)
        batch.run([source], server)
        batch.finish()
        sink.text(batch.summary().text())
    if batch.stop is not None:
        raise batch.stop
    if not batch.images:
        complain(f"nothing to analyse: no image found in {source}")
        raise typer.Exit(EXIT_USAGE)
    statuses = {image.status for image in batch.images}
    # A spot view beside four measured ones is refused in every study that has one: an answer, and no failure.
    if "failed" in statuses or "ok" not in statuses or batch.not_saved:
        raise typer.Exit(EXIT_SOME_FAILED)


def folders_of(environment: Mapping[str, str]) -> tuple[Path, Path]:
    """Return where the input lies and where the output goes.

    Parameters
    ----------
    environment : mapping
        Of the process. mercure sets the variables of all three, to the same folders.

    Raises
    ------
    UsageError
        No pair is set, half of one is, several contradict each other, or there is no input.
    """
    found = {}
    for source, target in CONTRACTS.items():
        given = {name: value for name in (source, target) if (value := environment.get(name, "").strip())}
        if len(given) == 1:
            (alone,) = given
            missing = target if alone == source else source
            raise UsageError(f"{alone} is set and {missing} is not; set both")
        if given:
            found[source] = (Path(given[source]), Path(given[target]))
    if not found:
        pairs = "; ".join(f"{source} and {target}" for source, target in CONTRACTS.items())
        raise UsageError(f"nobody says where the input lies; set one of these pairs: {pairs}")
    if len(set(found.values())) > 1:
        raise UsageError(f"{', '.join(found)} say different things; set one pair")
    source_path, out = next(iter(found.values()))
    if not source_path.exists():
        raise UsageError(f"{source_path}: there is no such file or folder; mount the input there")
    if out.exists() and source_path.resolve() == out.resolve():
        raise UsageError(f"{out}: is the input as well; give the output a folder of its own")
    return source_path, out
