"""``bacctl export``: from a checkpoint to what Triton loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, guarded
from bacctl.cli.sink import Sink

export_app = typer.Typer(
    help="Turn a checkpoint into what Triton loads. Research use only.", no_args_is_help=True
)

_Repository = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Model repository.  [default: the one of this installation]"),
]


@export_app.command()
@guarded
def onnx(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", exists=True, dir_okay=False, help="From `bacctl train`.")
    ],
    repository: _Repository = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", help="Probability from which a pixel counts as BAC.  [default: 0.5]"),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Threshold and post-processing chosen on validation.",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="report.json of `bacctl evaluate`, for the model card.",
        ),
    ] = None,
) -> None:
    """Write the network as ONNX, with its model card.

    Both go to bac_segment/1 once the ONNX file agrees with PyTorch. Research use only.
    """
    measured = None if figures is None else _read_figures(figures)
    with needs("export"):
        from bac_export.errors import ExportError
        from bac_export.onnx_export import run
        from bac_training.errors import TrainingError
        from bac_training.evaluation.settings import Settings, read_settings
    import logging

    # It warns of every operator of a package that this network does not use.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    target = _repository(repository)
    with Sink() as sink:
        try:
            chosen = Settings(0.5) if settings is None else read_settings(settings)
            with sink.waiting("exporting and comparing"):
                path = run(
                    checkpoint,
                    target,
                    threshold=chosen.threshold if threshold is None else threshold,
                    post_processing=chosen.post_processing,
                    figures=measured,
                )
        except (ExportError, TrainingError) as error:
            raise CommandError(str(error)) from None
        sink.text(f"{path} ({path.stat().st_size / 1e6:.1f} MB), card beside it; research use only")


@export_app.command()
@guarded
def tensorrt(
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="PLAN", help="Engine file.  [default: bac_segment/1/model.plan]"),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="FILE", help="[default: bac_segment/1/model.onnx]"),
    ] = None,
    repository: _Repository = None,
    max_batch: Annotated[int, typer.Option(min=1, help="As in the serving configuration.")] = 64,
) -> None:
    """Build the TensorRT engine.

    To be run on the machine and in the container that serve it. Research use only.
    """
    with needs("export"):
        from bac_export.errors import ExportError
        from bac_export.tensorrt_export import run
    version_folder = _repository(repository) / "bac_segment" / "1"
    with Sink() as sink:
        try:
            with sink.waiting("building the engine; this takes minutes"):
                path = run(
                    source or version_folder / "model.onnx", plan or version_folder / "model.plan", max_batch
                )
        except ExportError as error:
            raise CommandError(str(error)) from None
        sink.text(f"{path}; research use only")


def _repository(given: Path | None) -> Path:
    from bacctl.repository import default_repository

    return default_repository() if given is None else given


def _read_figures(path: Path) -> dict[str, object]:
    """Read what of an evaluation belongs into a model card: the table of targets and what it is of."""
    try:
        report = json.loads(path.read_text())
        return {key: report[key] for key in ("schema", "model", "data", "bootstrap", "targets")}
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path}: give the report.json that `bacctl evaluate --report` wrote") from None
