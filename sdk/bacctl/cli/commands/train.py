"""``bacctl train``: fit the segmentation network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, CommandError, complain, guarded
from bacctl.cli.options import Quiet
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from bac_training.progress import Progress


@guarded
def train(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the run: checkpoint and metrics.")],
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="TOML over the packaged defaults."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", exists=True, help="Phantom data set, cache or labelled folder."),
    ] = None,
    validation: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", exists=True, help="The same, never trained on.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Checkpoint to start from."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train the network.

    Without --data it learns from phantom women made on the way. Ctrl-C saves first.

    Research use only.
    """
    with needs("train"):
        from bac_training.errors import DataSetError, TrainingError
        from bac_training.train import run
    with Sink(quiet=quiet) as sink:
        try:
            checkpoint = run(
                config,
                out,
                data=data or (),
                validation=validation or (),
                resume=resume,
                init=init,
                progress=lambda state: sink.talk(_line(state)),
                notice=sink.talk,
            )
        except DataSetError as error:
            for line in error.lines:
                complain(line)
            raise typer.Exit(EXIT_SOME_FAILED) from None
        except TrainingError as error:
            raise CommandError(str(error)) from None
        sink.text(f"{checkpoint} (research use only)")


def _line(state: Progress) -> str:
    text = (
        f"{state.fraction:4.0%}  {state.minutes:6.1f} min  step {state.step}  loss {state.loss:.4f} "
        f"(BCE {state.bce:.4f}, Dice {state.dice:.4f}, Hausdorff {state.hausdorff:.4f})  "
        f"{state.patches_per_s:.1f} patches/s"
    )
    if state.validation_dice is not None:
        text += f"  validation Dice {state.validation_dice:.3f}"
    return text
