"""``bacctl phantom``: mammograms whose calcium mass is known."""

from __future__ import annotations

import dataclasses
import functools
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import UsageError, guarded
from bacctl.cli.options import Quiet
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from bac_phantom import PhantomConfig


class Look(str, Enum):
    """How the images of a phantom are stored."""

    RAW = "raw"
    RAW_LOG = "raw-log"
    PRESENTATION = "presentation"
    FILM = "film"
    COPY = "copy"
    PAIRED = "paired"
    MIXED = "mixed"


class Generator(str, Enum):
    """The phantoms."""

    PHANTOM = "phantom"
    RANDFIELD = "randfield"


class Mix(str, Enum):
    """Named configurations of the phantom."""

    DEFAULT = "default"
    TRAINING = "training"
    VALIDATION = "validation"
    HELD_OUT = "held-out"


@guarded
def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; new or empty.")],
    women: Annotated[int, typer.Option(min=1, help="How many women; each has four views.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same women.")] = 0,
    generator: Annotated[
        Generator,
        typer.Option(help="phantom: the usual one; randfield: another that shares no model with it."),
    ] = Generator.PHANTOM,
    mix: Annotated[
        Mix,
        typer.Option(help="Which women and detectors to draw from; held-out: what results are stated on."),
    ] = Mix.DEFAULT,
    look: Annotated[
        Look | None,
        typer.Option(
            help="raw: FOR PROCESSING; presentation: processed; film: scanned; mixed: all. Of randfield: "
            "copy, 8-bit PNG or JPEG; paired, every woman raw and for presentation."
        ),
    ] = None,
    without: Annotated[
        str, typer.Option(metavar="LIST", help="Comma list of hard negatives to leave out, or all.")
    ] = "",
    processes: Annotated[int, typer.Option(min=1, help="How many exams are made at a time.")] = 1,
    backgrounds: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Put arteries into these real images (PNG, TIFF, JPEG; without BAC), one image a woman, "
            "as a folder to train on.",
        ),
    ] = None,
    pixel_spacing: Annotated[
        float | None, typer.Option(metavar="MM", min=0.01, help="Pixel spacing of the backgrounds.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write mammograms of known calcium mass.

    Exams of four views as DICOM (film as TIFF), with masks and truth.json. Research use only.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: exists and is not an empty folder; give a new one")
    foreign = generator is Generator.RANDFIELD
    if foreign and (mix is not Mix.DEFAULT or without or look is Look.RAW_LOG):
        raise UsageError(
            "--mix, --without and --look raw-log do not go with --generator randfield; leave them out"
        )
    if backgrounds is None and pixel_spacing is not None:
        raise UsageError("--pixel-spacing is of --backgrounds; the phantom has its detectors' own")
    if backgrounds is not None:
        if pixel_spacing is None:
            raise UsageError("--backgrounds needs --pixel-spacing: the network works at a fixed scale")
        if look is not None or without or processes > 1:
            raise UsageError("--look, --without and --processes do not go with --backgrounds; leave them out")
    elif foreign:
        with Sink(quiet=quiet) as sink:
            _randfield(sink, out, women, seed, look.value if look else "mixed", processes)
        return
    if look in (Look.COPY, Look.PAIRED):
        raise UsageError(f"--look {look.value} is of --generator randfield alone; add it")
    with needs("server"):
        from bac_phantom import HARD_NEGATIVES, MIXES, write_dataset
    dropped = set(HARD_NEGATIVES if without == "all" else filter(None, without.split(",")))
    if unknown := sorted(dropped - set(HARD_NEGATIVES)):
        raise UsageError(f"--without {','.join(unknown)}: unknown; choose from {', '.join(HARD_NEGATIVES)}")
    config = MIXES[mix.value]
    kept = tuple(name for name in config.hard_negatives if name not in dropped)
    config = dataclasses.replace(config, look=look.value if look else config.look, hard_negatives=kept)
    if backgrounds is not None and pixel_spacing is not None:
        with Sink(quiet=quiet) as sink:
            _insert(sink, out, backgrounds, women, seed, pixel_spacing, config, foreign)
        return
    with Sink(quiet=quiet) as sink:
        with sink.progress("making", "exam") as show:
            truth = write_dataset(out, women, seed, config, progress=show, processes=processes)
        sink.talk(f"{women * 4} images; their known masses are in {truth} (research use only)")


def _randfield(sink: Sink, out: Path, women: int, seed: int, look: str, processes: int) -> None:
    with needs("server"):
        from bac_randfield import RandomFieldConfig, write_dataset
    with sink.progress("making", "exam") as show:
        truth = write_dataset(out, women, seed, RandomFieldConfig(look=look), show, processes)
    sink.talk(f"{women} women; their known masses are in {truth} (research use only)")


def _insert(
    sink: Sink,
    out: Path,
    backgrounds: Path,
    images: int,
    seed: int,
    spacing_mm: float,
    config: PhantomConfig,
    foreign: bool,
) -> None:
    from bac_backgrounds import BackgroundError, Draw, write_inserted
    from bac_phantom import inserted as phantom
    from bac_randfield import inserted as randfield

    own: Draw = functools.partial(phantom.draw_arteries, width_range_mm=config.outer_width_range_mm)
    draw = randfield.draw_arteries if foreign else own
    drawn = (draw, config.positive_share, config.mass_range_mg)
    try:
        with sink.progress("making", "image") as show:
            table = write_inserted(out, backgrounds, images, seed, spacing_mm, *drawn, show)
    except BackgroundError as error:
        raise UsageError(str(error)) from None
    sink.talk(f"{images} images with masks, listed in {table} (research use only)")
