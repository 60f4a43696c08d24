"""``bacctl evaluate``: hold the model against known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.console import Console, stdout_kept_clean
from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, guarded
from bacctl.outputs.wording import number
from bacctl.results import INTENDED_USE

if TYPE_CHECKING:
    from bac_training.evaluate import EvaluationReport


@guarded
def evaluate(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", exists=True, file_okay=False, help="Folder of `bacctl phantom`."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where evaluation.json and evaluation.md go.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Checkpoint or ONNX.  [default: as served]"
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Probability for BAC.  [default: the model's own]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure women of known truth: Dice, F1, Bland-Altman. Research use only."""
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise UsageError("--threshold: give a probability between 0 and 1")
    with needs("train"):
        from bac_training.errors import TrainingError
        from bac_training.evaluate import run
    try:
        with stdout_kept_clean(), Console(quiet=quiet).progress("evaluating", "images") as show:
            report = run(data, out, model, threshold=threshold, progress=show)
    except TrainingError as error:
        raise CommandError(str(error)) from None
    typer.echo(_summary(report))
    if out is not None:
        typer.echo(f"women and images one by one: {out}/evaluation.md, {out}/evaluation.json")


def _summary(report: EvaluationReport) -> str:
    lines = [
        f"{len(report.women)} women, {len(report.images)} images; model {report.model_sha256[:12]}, "
        f"threshold {report.threshold:g}",
        f"Dice on positives    {number(report.dice_on_positives, 3)}",
        f"F1 per image         {number(report.detection.f1, 3)}",
    ]
    if report.mass is not None:
        limits = report.mass.limits_mg
        spread = "" if limits is None else f", 95 % from {limits[0]:+.1f} to {limits[1]:+.1f}"
        lines.append(f"mass difference      {report.mass.mean_difference_mg:+.2f} mg a woman{spread}")
    lines += [
        f"same category        {number(report.same_category, 3)}",
        f"{INTENDED_USE.capitalize()}.",
    ]
    return "\n".join(lines)
