"""One training run in progress: its network, its optimiser, and how far it has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from bac_training.config import Config
from bac_training.errors import TrainingError
from bac_training.loading import TrainingData
from bac_training.network.checkpoint import WeightAverage, save_checkpoint
from bac_training.network.device import Ahead, choose_device, use_bf16
from bac_training.network.losses import CompositeLoss
from bac_training.network.unet import UNet
from bac_training.patches.augment import Batch, augment, draw_batch
from bac_training.patches.draw import PatchSampler
from bac_training.progress import Curves, Meter, MetricsFile, Progress

__all__ = ["BEST", "CHECKPOINT", "Trainer"]

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"
_REPORT_STEPS = 25
_VALIDATION_BATCHES = 24
_VALIDATION_SEED = 20_000_000

_Drawn = tuple[Batch, np.random.Generator]


class Trainer:
    """A run.

    Parameters
    ----------
    config : Config
        All settings.
    data : TrainingData
        Caches to train and to validate on.
    out : Path
        Folder of the run.
    """

    def __init__(self, config: Config, data: TrainingData, out: Path) -> None:
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.run.seed)
        self.config = config
        self.out = out
        self.device = choose_device(config.run.device)
        # Patches are all of one size, so the fastest algorithm is worth looking for once.
        torch.backends.cudnn.benchmark = self.device.type == "cuda"
        self.bf16 = use_bf16(config.run.precision, self.device)
        patches = config.patches
        self.sampler = PatchSampler(
            data.training, patches.positive, patches.hard, patches.lines, patches.mined
        )
        self.validation = PatchSampler(data.validation) if data.validation else None
        self.sources = data.describe()
        # Channels last is what the convolutions work in; otherwise each one reorders its input.
        self.network = UNet(**asdict(config.network)).to(  # type: ignore[call-overload]
            self.device, memory_format=torch.channels_last
        )
        self.average = WeightAverage(self.network, config.optimiser.ema)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            config.optimiser.learning_rate,
            weight_decay=config.optimiser.weight_decay,
        )
        self.loss = CompositeLoss(**asdict(config.loss))
        self.step = 0
        self.elapsed_s = 0.0
        self.best_dice = -1.0
        self.worse = 0
        """Validations since the best one."""

    def fraction(self) -> float:
        """Return the part of the run that is done."""
        run = self.config.run
        done = self.step / run.steps if run.steps else self.elapsed_s / (60.0 * run.minutes)
        return min(done, 1.0)

    def stalled(self) -> bool:
        """Say whether validation has not improved for as long as the run waits."""
        return 0 < self.config.run.patience <= self.worse

    def train(
        self, outputs: Sequence[MetricsFile | Curves], progress: Callable[[Progress], None] | None
    ) -> None:
        """Train to the end of the run."""
        batches = Ahead(self._draw, self.device)
        try:
            self._train(batches, outputs, progress)
        finally:
            batches.close()

    def _train(
        self,
        batches: Ahead[_Drawn],
        outputs: Sequence[MetricsFile | Curves],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        run = self.config.run
        meter = Meter(self.elapsed_s)
        saved = validated = self.elapsed_s
        while (fraction := self.fraction()) < 1.0 and not self.stalled():
            began = time.monotonic()
            if self.step % run.refresh_steps == 0:
                self.sampler.refresh()
            meter.add(self._one_step(batches.take(self.step), fraction))
            self.elapsed_s += time.monotonic() - began
            last = self.fraction() >= 1.0
            if self.step % _REPORT_STEPS and not last:
                continue
            score = None
            if self.validation and (last or self.elapsed_s - validated > 60.0 * run.validate_minutes):
                score, validated = self.validate(), self.elapsed_s
                self._judge(score)
            report = self._report(meter, score)
            for output in outputs:
                output.write(report)
            if progress:
                progress(report)
            if self.elapsed_s - saved > 60.0 * run.checkpoint_minutes:
                self.save(self.out / CHECKPOINT)
                saved = self.elapsed_s

    def _judge(self, dice: float) -> None:
        self.worse += 1
        if dice > self.best_dice:
            self.best_dice, self.worse = dice, 0
            self.save(self.out / BEST)

    def _draw(self, step: int) -> _Drawn:
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([self.config.run.seed, step])
        patches = self.config.patches
        batch = draw_batch(self.sampler, rng, patches.batch, patches.side_px, self.config.augment.scale)
        return (batch.pinned() if self.device.type == "cuda" else batch), rng

    def _one_step(self, drawn: _Drawn, fraction: float) -> tuple[float, float, float, float]:
        config = self.config
        rate = _learning_rate(config, fraction)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch, rng = drawn
        image, target, breast = (
            plane.to(self.device, non_blocking=True) for plane in (batch.image, batch.target, batch.breast)
        )
        image = augment(image, breast, rng, config.augment)
        terms = self.loss(self._forward(image), target, fraction)
        self.optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip)
        total = float(terms.total.detach())
        # Before the update: a gradient that is not a number would spoil the weights.
        if not (math.isfinite(total) and math.isfinite(float(norm))):
            self._fail(batch, image, total, float(norm))
        self.optimiser.step()
        self.step += 1
        self.average.update(self.network, self.step)
        return total, float(terms.bce.detach()), float(terms.dice.detach()), float(terms.hausdorff.detach())

    def _fail(self, batch: Batch, image: torch.Tensor, loss: float, norm: float) -> NoReturn:
        path = self.out / f"failed-step-{self.step}.npz"
        np.savez_compressed(
            path,
            image=image.cpu().numpy(),
            target=batch.target.numpy(),
            breast=batch.breast.numpy(),
            cases=np.array(batch.names),
            seed=np.array([self.config.run.seed, self.step]),
        )
        raise TrainingError(
            f"at step {self.step} the loss is {loss} and its gradient {norm}; the batch is in {path}; lower "
            "optimiser.learning_rate and resume from the last checkpoint"
        )

    def _report(self, meter: Meter, validation_dice: float | None) -> Progress:
        (loss, bce, dice, hausdorff), speed = meter.means(self.elapsed_s)
        return Progress(
            step=self.step,
            fraction=self.fraction(),
            minutes=self.elapsed_s / 60.0,
            loss=loss,
            bce=bce,
            dice=dice,
            hausdorff=hausdorff,
            learning_rate=_learning_rate(self.config, self.fraction()),
            patches_per_s=speed * self.config.patches.batch,
            cases=len(self.sampler),
            validation_dice=validation_dice,
        )

    def _forward(self, image: torch.Tensor) -> torch.Tensor:
        image = image.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits: torch.Tensor = self.network(image)
        return logits.float()

    @torch.no_grad()
    def validate(self) -> float:
        """Return the Dice of the averaged weights, pooled over patches that are always the same."""
        assert self.validation is not None  # noqa: S101 - the caller asked
        weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        self.network.eval()
        rng = np.random.default_rng(_VALIDATION_SEED)
        overlap = total = 0.0
        for _ in range(_VALIDATION_BATCHES):
            batch = draw_batch(self.validation, rng, 8, self.config.patches.side_px, 0.0)
            found = self._forward(batch.image).cpu() > 0
            overlap += float((found & (batch.target > 0)).sum())
            total += float(found.sum() + batch.target.sum())
        self.network.load_state_dict(weights)
        self.network.train()
        return 2.0 * overlap / total if total else 1.0

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        content = {
            "config": self.config.to_dict(),
            "data": self.sources,
            "cases": len(self.sampler),
            "network": self.network.state_dict(),
            "average": self.average.state,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "best_dice": self.best_dice,
            "worse": self.worse,
        }
        save_checkpoint(path, content)

    def restore(self, content: dict[str, Any]) -> None:
        """Take up the state of a checkpoint of the same network."""
        if "optimiser" not in content:
            raise TrainingError(
                f"{self.out / CHECKPOINT} holds a model, not a run; start a new run with --init"
            )
        self.network.load_state_dict(content["network"])
        for name, value in content["average"].items():
            self.average.state[name].copy_(value)
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.elapsed_s = content["step"], content["elapsed_s"]
        self.best_dice, self.worse = content.get("best_dice", -1.0), content.get("worse", 0)

    def start_from(self, content: dict[str, Any]) -> None:
        """Take the weights of a checkpoint of the same network, and nothing else."""
        self.network.load_state_dict(content["average"])
        self.average = WeightAverage(self.network, self.config.optimiser.ema)


def _learning_rate(config: Config, fraction: float) -> float:
    peak, warmup = config.optimiser.learning_rate, config.optimiser.warmup
    if fraction < warmup:
        return peak * (0.05 + 0.95 * fraction / warmup)
    return peak * max(0.5 * (1.0 + math.cos(math.pi * (fraction - warmup) / (1.0 - warmup))), 0.002)
