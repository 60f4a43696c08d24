"""Checkpoints: everything that a run needs to go on, loadable without running code from the file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bac_training.errors import TrainingError
from bac_training.unet import UNet

__all__ = ["WeightAverage", "load_checkpoint", "load_network", "save_checkpoint"]

SCHEMA = "bac_training.checkpoint/1"


class WeightAverage:
    """Exponential moving average of a network's parameters and normalisation statistics.

    Parameters
    ----------
    network : nn.Module
        The network that is trained.
    decay : float
        Weight of the past at each step; less in the first steps, so that the start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step number `step` (from 1)."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1.0 - decay)
            else:
                self.state[name].copy_(value)


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to.
    content : dict
        Tensors, numbers, strings, lists and dictionaries of them.
    """
    partial = path.with_name(path.name + ".partial")
    torch.save({"schema": SCHEMA, **content}, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises
    ------
    TrainingError
        When the file is missing or no checkpoint of this version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"cannot read the checkpoint {path} ({reason}); give one that training wrote"
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise TrainingError(f"{path} is not a checkpoint of this version ({SCHEMA}); train again")
    return content


def load_network(content: dict[str, Any]) -> UNet:
    """Return the trained network of a checkpoint: the averaged weights, in evaluation mode.

    Parameters
    ----------
    content : dict
        As read by `load_checkpoint`.
    """
    network = UNet(**content["config"]["network"])
    network.load_state_dict(content["average"])
    return network.eval()
