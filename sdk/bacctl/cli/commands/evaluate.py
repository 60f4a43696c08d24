"""``bacctl evaluate``: hold the model against known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, CommandError, UsageError, complain, guarded
from bacctl.cli.options import Quiet
from bacctl.cli.sink import Sink


@guarded
def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", exists=True, file_okay=False, help="Folder with truth.json or images.csv."
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where report.json, report.md and pictures go.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Checkpoint or ONNX.  [default: as served]"
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Probability at outlines.  [default: the model's own]")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Threshold and post-processing chosen on validation.  [default: the model's own]",
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes.  [default: one a core]")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Corrected readings of labelled images: CSV with image, label, reason.",
        ),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Folds of labelled images: CSV with image or patient, and fold.",
        ),
    ] = None,
    fold_model: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLD=FILE", help="Network that has not seen this fold; repeat it."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what --report holds.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure images of known truth, with intervals: the table of targets, or real images with labels.

    Research use only.
    """
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise UsageError("--threshold: give a probability between 0 and 1")
    if resume and report is None:
        raise UsageError("--resume: give the --report folder to go on with")
    if bool(folds) != bool(fold_model):
        raise UsageError("--folds and --fold-model: give both, and one network a fold")
    if folds and model:
        raise UsageError("--model: leave it out with --folds, where each fold has its own --fold-model")
    with needs("train"):
        from bac_evaluation.real.page import as_text as real_as_text
        from bac_evaluation.real.run import run_real
        from bac_evaluation.run import run
        from bac_evaluation.settings import read_settings
        from bac_training.data.labelled import is_labelled
        from bac_training.errors import DataSetError, TrainingError
    from bacctl.results import INTENDED_USE

    is_real = is_labelled(data)
    if not is_real and (labels or folds):
        raise UsageError("--labels, --folds: these are for images.csv with a column label and without masks")
    with Sink(quiet=quiet) as sink:
        try:
            chosen = None if settings is None else read_settings(settings)
            with sink.progress("evaluating", "image") as show:
                if is_real:
                    judged = run_real(
                        data,
                        report,
                        model,
                        labels=labels,
                        folds=folds,
                        models=fold_model or (),
                        settings=chosen,
                        threshold=threshold,
                        processes=processes,
                        resume=resume,
                        progress=show,
                    )
                    text = real_as_text(judged.to_dict())
                else:
                    found = run(
                        data,
                        report,
                        model,
                        settings=chosen,
                        threshold=threshold,
                        processes=processes,
                        resume=resume,
                        progress=show,
                    )
                    text = found.to_text()
        except DataSetError as error:
            for line in error.lines:
                complain(line)
            raise typer.Exit(EXIT_SOME_FAILED) from None
        except TrainingError as error:
            raise CommandError(str(error)) from None
        sink.text(text)
        if report is not None:
            sink.text(f"all figures and pictures: {report}/report.md, {report}/report.json")
        sink.text(f"{INTENDED_USE.capitalize()}.")
