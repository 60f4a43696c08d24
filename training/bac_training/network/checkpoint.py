"""Checkpoints: everything that a run needs to go on, loadable without running code from the file."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bac_imaging.files import whole_file
from bac_training.errors import TrainingError
from bac_training.network.unet import UNet

__all__ = ["WeightAverage", "demand_network", "load_checkpoint", "load_network", "save_checkpoint"]

SCHEMA = "bac_training.checkpoint/1"
_GIVE = "give one that training wrote"


class WeightAverage:
    """Exponential moving average of a network's parameters and normalisation statistics.

    `decay` is the weight of the past at each step; less in the first steps, so that the start is forgotten.
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
    """Write a checkpoint: tensors, numbers, strings, lists and dictionaries of them; whole or not at all."""
    with whole_file(path) as file:
        torch.save({"schema": SCHEMA, **content}, file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, without running any code from the file.

    Raises
    ------
    TrainingError
        When the file is missing, damaged, no checkpoint of this version, or its weights are not those of
        the network that it describes.
    """
    try:
        # Apart from the reading: of a file that is cut short torch raises an OSError of its own at times.
        path.open("rb").close()
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise TrainingError(f"cannot read the checkpoint {path}: {reason}; {_GIVE}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that torch did not write; they are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search("unsupported (global|class)", str(error), re.IGNORECASE)
        reason = "holds Python code, which is not run" if code else "is not a checkpoint, or it is damaged"
        raise TrainingError(f"{path} {reason}; {_GIVE}") from None
    except Exception:  # torch's readers raise whatever they stumble over
        raise TrainingError(f"{path} is not a checkpoint, or it is cut short; {_GIVE}") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise TrainingError(f"{path} is not a checkpoint of this version ({SCHEMA}); train again")
    try:
        with torch.device("meta"):
            expected = UNet(**content["config"]["network"]).state_dict()
        fits = _shapes(content["average"]) == _shapes(expected)
    except (KeyError, TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise TrainingError(f"{path} holds the weights of another network than it describes; {_GIVE}")
    return content


def load_network(content: dict[str, Any]) -> UNet:
    """Return the trained network of a checkpoint: the averaged weights, in evaluation mode."""
    network = UNet(**content["config"]["network"])
    network.load_state_dict(content["average"])
    return network.eval()


def demand_network(path: Path, content: dict[str, Any], network: Mapping[str, Any]) -> None:
    """Refuse, as a TrainingError, a checkpoint of another network than section ``[network]`` of a run."""
    # Checkpoints from before there was a choice of blocks do not name theirs.
    its = {"block": "plain", **content["config"]["network"]}
    if its != dict(network):
        described = ", ".join(f"{key} = {value}" for key, value in sorted(its.items()))
        raise TrainingError(f"{path} holds another network; set {described} in [network]")


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}
