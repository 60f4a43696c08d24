"""The training configuration: a TOML file over the packaged defaults."""

from __future__ import annotations

import importlib
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bac_training.data.sources import LookChoice
from bac_training.errors import TrainingError

__all__ = [
    "AugmentConfig",
    "Config",
    "DataConfig",
    "LossConfig",
    "NetworkConfig",
    "OptimiserConfig",
    "PatchConfig",
    "RunConfig",
    "load_config",
]

DEFAULT_PATH = Path(__file__).with_name("default.toml")


@dataclass(frozen=True)
class RunConfig:
    """``[run]``: length, seed and machine."""

    minutes: float
    steps: int
    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "bf16", "fp32"]
    checkpoint_minutes: float
    validate_minutes: float
    patience: int
    refresh_steps: int


@dataclass(frozen=True)
class NetworkConfig:
    """``[network]``: see `bac_training.network.unet.UNet`."""

    widths: tuple[int, ...]
    block: Literal["plain", "residual", "depthwise", "dilated"]


@dataclass(frozen=True)
class DataConfig:
    """``[data]``: phantom women made when no data are given."""

    phantom_women: int
    phantom_seed: int
    phantom_look: LookChoice
    validation_women: int
    processes: int


@dataclass(frozen=True)
class PatchConfig:
    """``[patches]``: see `bac_training.patches.draw.PatchSampler`."""

    side_px: int
    batch: int
    positive: float
    hard: float
    lines: float
    mined: float


@dataclass(frozen=True)
class AugmentConfig:
    """``[augment]``: see `bac_training.patches.augment.augment`."""

    scale: float
    gain: float
    offset: float
    gamma: float
    blur: float
    anisotropy: float
    sharpen: float
    noise: float
    grain: float
    quantise: float
    scratches: float
    dust: float


@dataclass(frozen=True)
class LossConfig:
    """``[loss]``: see `bac_training.network.losses.CompositeLoss`."""

    bce: float
    dice: float
    hausdorff: float
    schedule: Literal["ramp", "exchange"]
    hausdorff_start: float
    hausdorff_full: float
    dice_floor: float
    cap_px: int


@dataclass(frozen=True)
class OptimiserConfig:
    """``[optimiser]``: AdamW with warm-up, cosine decay and weight averaging."""

    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    ema: float


@dataclass(frozen=True)
class Config:
    """All sections; `load_config` reads one."""

    run: RunConfig
    network: NetworkConfig
    data: DataConfig
    patches: PatchConfig
    augment: AugmentConfig
    loss: LossConfig
    optimiser: OptimiserConfig

    def to_dict(self) -> dict[str, Any]:
        """Return the sections as plain dictionaries, lists and numbers."""
        sections = asdict(self)
        sections["network"]["widths"] = list(self.network.widths)
        return sections


def load_config(path: Path | None = None) -> Config:
    """Read a configuration.

    Parameters
    ----------
    path : Path, optional
        TOML file whose keys replace the defaults of ``default.toml``.

    Raises
    ------
    TrainingError
        When the file cannot be read, or a key is unknown, of the wrong type or out of range.
    """
    values = _read(DEFAULT_PATH)
    own = _read(path) if path is not None else {}
    for section, keys in own.items():
        if section not in values or not isinstance(keys, dict):
            raise TrainingError(f"{path}: unknown section [{section}]; known are {', '.join(values)}")
        for key, value in keys.items():
            if key not in values[section]:
                known = ", ".join(values[section])
                raise TrainingError(f"{path}: unknown key {key} in [{section}]; known are {known}")
            values[section][key] = value
    hints = get_type_hints(Config)
    config = Config(**{name: _section(hints[name], name, values[name]) for name in hints})
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    # tomllib came with Python 3.11; tomli is the same code for 3.10.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        return dict(toml.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, toml.TOMLDecodeError) as error:
        raise TrainingError(f"cannot read the configuration {path}: {error}") from None


def _section(kind: Any, name: str, values: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{f.name: _value(hints[f.name], f"{name}.{f.name}", values[f.name]) for f in fields(kind)})


def _value(kind: Any, name: str, value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is int and number and isinstance(value, int):
        return value
    if kind is str and isinstance(value, str):
        return value
    if get_origin(kind) is Literal and value in get_args(kind):
        return value
    if kind == tuple[int, ...] and isinstance(value, list) and all(isinstance(v, int) for v in value):
        return tuple(value)
    raise TrainingError(f"configuration: {name} = {value!r} cannot be used; see default.toml for its form")


def _check(config: Config) -> None:
    stride = 2 ** len(config.network.widths)
    o, p, r = config.optimiser, config.patches, config.run
    demands = {
        "run: give minutes above 0, or steps above 0": r.steps > 0 or (r.steps == 0 and r.minutes > 0),
        "run.refresh_steps must be 1 or more": r.refresh_steps >= 1,
        "run.patience must be 0 or more": r.patience >= 0,
        f"patches.side_px must be a positive multiple of {stride}": p.side_px > 0 and p.side_px % stride == 0,
        "patches.batch must be 1 or more": p.batch >= 1,
        "patches.positive, hard, lines and mined must be 0 or more and sum to 1 at most": (
            min(p.positive, p.hard, p.lines, p.mined) >= 0
            and p.positive + p.hard + p.lines + p.mined <= 1.0 + 1e-9
        ),
        "augment.scale must lie in 0 to 0.5": 0 <= config.augment.scale <= 0.5,
        "optimiser.ema must lie in 0 to 1": 0 <= o.ema < 1,
        "optimiser.warmup must lie in 0 to 1": 0 <= o.warmup < 1,
        "optimiser.learning_rate must be above 0": o.learning_rate > 0,
        "loss weights must be 0 or more, one of them above": (
            min(config.loss.bce, config.loss.dice, config.loss.hausdorff) >= 0
            and max(config.loss.bce, config.loss.dice, config.loss.hausdorff) > 0
        ),
        "loss.dice_floor must lie in 0 to 1": 0 <= config.loss.dice_floor <= 1,
        "loss.hausdorff_start and loss.hausdorff_full must be parts of the run, 0 to 1, in this order": (
            0 <= config.loss.hausdorff_start <= config.loss.hausdorff_full <= 1
        ),
        "loss.cap_px must be 1 or more": config.loss.cap_px >= 1,
        "network.widths needs two or more numbers above 0": (
            len(config.network.widths) >= 2 and min(config.network.widths) > 0
        ),
    }
    for demand, met in demands.items():
        if not met:
            raise TrainingError(f"configuration: {demand}")
