"""Training of the segmentation network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bac_training.config import load_config
from bac_training.errors import TrainingError
from bac_training.loading import open_data
from bac_training.network.checkpoint import demand_network, load_checkpoint
from bac_training.progress import Curves, MetricsFile, Progress
from bac_training.trainer import BEST, CHECKPOINT, Trainer

__all__ = ["Progress", "run"]


def run(
    config: Path | None,
    out: Path,
    *,
    data: Sequence[Path] = (),
    validation: Sequence[Path] = (),
    resume: bool = False,
    init: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Train the network.

    Parameters
    ----------
    config : Path or None
        TOML file over the packaged ``default.toml``.
    out : Path
        Folder for ``checkpoint.pt``, ``best.pt`` (the best average by validation), the curves, and caches
        made on the way.
    data, validation : sequence of Path
        Caches, phantom data sets or folders with ``images.csv`` (see `bac_training.data.folder.read_list`).
        Without `data`, phantom women are made as the configuration says, for both.
    resume : bool, default False
        Go on from the checkpoint in `out`, where there is one.
    init : Path, optional
        Checkpoint whose averaged weights a new run starts from.
    progress : callable, optional
        Called every few steps.
    notice : callable, optional
        Called with lines that say how far the preparation of the data is, and what is unwise about them.

    Returns
    -------
    Path
        The last checkpoint; of a run that ended because validation no longer improved, the best.

    Raises
    ------
    DataSetError
        With every fault of the data, before the first step.
    TrainingError
        For a wrong configuration, a run already in `out` without `resume`, a checkpoint of another network,
        or a loss or gradient that is no longer a number.
    """
    settings = load_config(config)
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{checkpoint} exists; resume that run or choose another output folder")
    if settings.run.patience and not (validation if data else settings.data.validation_women):
        raise TrainingError("run.patience needs validation data; give some or set it to 0")
    # What is quick to refuse is looked at before the data, which may take long.
    begun = load_checkpoint(checkpoint) if checkpoint.exists() else None
    start = load_checkpoint(init) if init is not None else None
    for path, content in ((checkpoint, begun), (init, start)):
        if path is not None and content is not None:
            demand_network(path, content, settings.to_dict()["network"])
    out.mkdir(parents=True, exist_ok=True)
    sets = open_data(settings.data, out, data, validation, notice)
    trainer = Trainer(settings, sets, out)
    if begun is not None:
        trainer.restore(begun)
    elif start is not None:
        trainer.start_from(start)
    outputs = MetricsFile(out / "metrics.csv", trainer.step), Curves(out / "tensorboard", trainer.step)
    try:
        trainer.train(outputs, progress)
    except KeyboardInterrupt:
        trainer.save(checkpoint)
        raise
    finally:
        outputs[1].close()
    trainer.save(checkpoint)
    return out / BEST if trainer.stalled() else checkpoint
