"""``bacctl phantom``: mammograms whose calcium mass is known."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.console import Console
from bacctl.cli.extras import needs
from bacctl.cli.guard import UsageError, guarded


class Look(str, Enum):
    """How the images of a phantom are stored."""

    RAW = "raw"
    PRESENTATION = "presentation"
    FILM = "film"
    MIXED = "mixed"


@guarded
def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; new or empty.")],
    women: Annotated[int, typer.Option(min=1, help="How many women; each has four views.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same women.")] = 0,
    look: Annotated[
        Look, typer.Option(help="raw: FOR PROCESSING; presentation: processed; film: scanned; mixed: all.")
    ] = Look.RAW,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk.")] = False,
) -> None:
    """Write mammograms of known calcium mass.

    Exams of four views as DICOM (film as TIFF), with masks and truth.json. Research use only.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: exists and is not an empty folder; give a new one")
    with needs("server"):
        from bac_phantom import PhantomConfig, write_dataset
    console = Console(quiet=quiet)
    with console.progress("making", "women") as show:
        truth = write_dataset(out, women, seed, PhantomConfig(look=look.value), progress=show)
    console.talk(f"{women * 4} images; their known masses are in {truth} (research use only)")
