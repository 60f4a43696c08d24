"""What a training run says of itself."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Curves", "Meter", "MetricsFile", "Progress"]


@dataclass(frozen=True)
class Progress:
    """State of a run, given to the progress callback and written to ``metrics.csv``."""

    step: int  # steps done
    fraction: float  # part of the run that is done, 0 to 1
    minutes: float  # time spent training, over all sessions
    # loss and its terms before weighting, means since the last report
    loss: float
    bce: float
    dice: float
    hausdorff: float
    learning_rate: float  # of the last step
    patches_per_s: float  # speed since the last report
    cases: int  # training images
    # Dice pooled over fixed validation patches at 0.5, of the averaged weights, when just measured
    validation_dice: float | None


class Meter:
    """Means of the loss terms between reports.

    Parameters
    ----------
    elapsed_s : float
        Training time at the start.
    """

    def __init__(self, elapsed_s: float) -> None:
        self._since = elapsed_s
        self._values: list[tuple[float, float, float, float]] = []

    def add(self, values: tuple[float, float, float, float]) -> None:
        """Take in one step's loss and its three terms."""
        self._values.append(values)

    def means(self, elapsed_s: float) -> tuple[list[float], float]:
        """Return the four means and the steps a second since the last call, and start anew."""
        means = np.mean(self._values, axis=0).tolist()
        speed = len(self._values) / max(elapsed_s - self._since, 1e-9)
        self._values, self._since = [], elapsed_s
        return means, speed


class MetricsFile:
    """``metrics.csv``, one row a report; rows past the checkpoint that a run resumes from are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        names = list(Progress.__dataclass_fields__)
        rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)

    def write(self, report: Progress) -> None:
        """Append one row."""
        values = [
            "" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in asdict(report).values()
        ]
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(values)


class Curves:
    """TensorBoard event files of the numbers in ``metrics.csv``, where tensorboard is installed.

    Parameters
    ----------
    folder : Path
        Where to.
    step : int
        Step that the run goes on from; curves past it, of an interrupted run, are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=step + 1)
        except Exception:  # not installed, or at odds with its own dependencies: metrics.csv has it all
            return

    def write(self, report: Progress) -> None:
        """Add one point to each curve."""
        if self._writer is None:
            return
        for name, value in asdict(report).items():
            if name != "step" and value is not None:
                group = "validation" if name.startswith("validation") else "training"
                self._writer.add_scalar(f"{group}/{name}", value, report.step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
