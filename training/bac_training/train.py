"""Training of the segmentation network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bac_training.augment import augment, draw_batch
from bac_training.checkpoint import WeightAverage, load_checkpoint, save_checkpoint
from bac_training.config import Config, load_config
from bac_training.data import TrainingData, open_data
from bac_training.errors import TrainingError
from bac_training.losses import CompositeLoss
from bac_training.patches import PatchSampler
from bac_training.progress import Meter, MetricsFile, Progress
from bac_training.unet import UNet

__all__ = ["Progress", "run"]

_REPORT_STEPS = 25
_VALIDATION_BATCHES = 24
_VALIDATION_SEED = 20_000_000


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
        Folder for ``checkpoint.pt`` and ``metrics.csv``, and for caches made on the way.
    data, validation : sequence of Path
        Caches, phantom data sets or folders with ``images.csv`` (see `bac_training.folder.read_list`).
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
        The last checkpoint.

    Raises
    ------
    DataSetError
        With every fault of the data, before the first step.
    TrainingError
        For a wrong configuration, a run already in `out` without `resume`, or a
        loss that is no longer a number.
    """
    settings = load_config(config)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{checkpoint} exists; resume that run or choose another output folder")
    out.mkdir(parents=True, exist_ok=True)
    sets = open_data(settings.data, out, data, validation, notice)
    trainer = _Trainer(settings, sets, init)
    if checkpoint.exists():
        trainer.restore(load_checkpoint(checkpoint))
    metrics = MetricsFile(out / "metrics.csv", trainer.step)
    try:
        trainer.train(checkpoint, metrics, progress)
    except KeyboardInterrupt:
        trainer.save(checkpoint)
        raise
    trainer.save(checkpoint)
    return checkpoint


class _Trainer:
    """One run: network, optimiser, average, and how far it has come."""

    def __init__(self, config: Config, data: TrainingData, init: Path | None) -> None:
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.run.seed)
        self.config = config
        self.device = _device(config.run.device)
        self.bf16 = _use_bf16(config.run.precision, self.device)
        patches = config.patches
        self.sampler = PatchSampler(data.training, patches.positive, patches.hard, patches.lines)
        self.validation = PatchSampler(data.validation) if data.validation else None
        self.sources = data.describe()
        network = UNet(**asdict(config.network))
        if init is not None:
            _start_from(network, init)
        # Channels last is what the CPU's convolutions work in; otherwise each one reorders its input.
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = WeightAverage(self.network, config.optimiser.ema)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            config.optimiser.learning_rate,
            weight_decay=config.optimiser.weight_decay,
        )
        self.loss = CompositeLoss(**asdict(config.loss))
        self.step = 0
        self.elapsed_s = 0.0

    def fraction(self) -> float:
        """Return the part of the run that is done."""
        run = self.config.run
        done = self.step / run.steps if run.steps else self.elapsed_s / (60.0 * run.minutes)
        return min(done, 1.0)

    def train(
        self, checkpoint: Path, metrics: MetricsFile, progress: Callable[[Progress], None] | None
    ) -> None:
        """Train to the end of the run."""
        run = self.config.run
        meter = Meter(self.elapsed_s)
        saved = validated = self.elapsed_s
        while (fraction := self.fraction()) < 1.0:
            began = time.monotonic()
            if self.step % run.refresh_steps == 0:
                self.sampler.refresh()
            meter.add(self._one_step(fraction))
            self.elapsed_s += time.monotonic() - began
            last = self.fraction() >= 1.0
            if self.step % _REPORT_STEPS and not last:
                continue
            score = None
            if self.validation and (last or self.elapsed_s - validated > 60.0 * run.validate_minutes):
                score, validated = self.validate(), self.elapsed_s
            report = self._report(meter, score)
            metrics.write(report)
            if progress:
                progress(report)
            if self.elapsed_s - saved > 60.0 * run.checkpoint_minutes:
                self.save(checkpoint)
                saved = self.elapsed_s

    def _one_step(self, fraction: float) -> tuple[float, float, float, float]:
        config = self.config
        rate = _learning_rate(config, fraction)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([config.run.seed, self.step])
        patches = config.patches
        image, target, breast = draw_batch(
            self.sampler, rng, patches.batch, patches.side_px, config.augment.scale
        )
        image = augment(image, breast, rng, config.augment)
        logits = self._forward(image)
        terms = self.loss(logits, target.to(self.device), fraction)
        total = float(terms.total.detach())
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss is {total} at step {self.step}; lower optimiser.learning_rate and resume"
            )
        self.optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip)
        self.optimiser.step()
        self.step += 1
        self.average.update(self.network, self.step)
        return total, float(terms.bce.detach()), float(terms.dice.detach()), float(terms.hausdorff.detach())

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
            image, target, _ = draw_batch(self.validation, rng, 8, self.config.patches.side_px, 0.0)
            found = self._forward(image).cpu() > 0
            overlap += float((found & (target > 0)).sum())
            total += float(found.sum() + target.sum())
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
        }
        save_checkpoint(path, content)

    def restore(self, content: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        if content["config"]["network"] != self.config.to_dict()["network"]:
            raise TrainingError(
                "the checkpoint has other network widths; resume with the configuration it began with"
            )
        self.network.load_state_dict(content["network"])
        for name, value in content["average"].items():
            self.average.state[name].copy_(value)
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.elapsed_s = content["step"], content["elapsed_s"]


def _learning_rate(config: Config, fraction: float) -> float:
    peak, warmup = config.optimiser.learning_rate, config.optimiser.warmup
    if fraction < warmup:
        return peak * (0.05 + 0.95 * fraction / warmup)
    return peak * max(0.5 * (1.0 + math.cos(math.pi * (fraction - warmup) / (1.0 - warmup))), 0.002)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError('no CUDA device; set run.device = "cpu"')
    return torch.device(name)


def _use_bf16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Where the CPU has no bf16 arithmetic it is emulated, which is slower than float32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _start_from(network: UNet, init: Path) -> None:
    content = load_checkpoint(init)
    try:
        network.load_state_dict(content["average"])
    except RuntimeError:
        raise TrainingError(f"{init} has other network widths; set network.widths to its own") from None
