"""Where a run computes, how precisely, and how its batches get there."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from bac_training.errors import TrainingError

__all__ = ["Ahead", "choose_device", "use_bf16"]

T = TypeVar("T")

_MOST_THREADS = 8


def choose_device(name: str) -> torch.device:
    """Return the device of that name ("auto", "cpu" or "cuda").

    Raises
    ------
    TrainingError
        When there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError('no CUDA device; set run.device = "cpu"')
    return torch.device(name)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Say whether the network computes in bfloat16 ("auto": where the device has arithmetic for it)."""
    if precision != "auto":
        return precision == "bf16"
    # Emulated, it is slower than float32.
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class Ahead(Generic[T]):
    """What a run needs at each step, made ahead in threads where a GPU would wait for it.

    On the CPU it is made when it is asked for: there the threads would take from the network what they give.

    Parameters
    ----------
    make : callable
        From the number of a step to what it needs; the same whenever it is called.
    device : torch.device
        Where the run computes.
    """

    def __init__(self, make: Callable[[int], T], device: torch.device) -> None:
        self._make = make
        self._waiting: dict[int, Future[T]] = {}
        self._pool: ThreadPoolExecutor | None = None
        if device.type == "cuda":
            self._threads = min(_MOST_THREADS, os.cpu_count() or 1)
            self._pool = ThreadPoolExecutor(self._threads, "batch", torch.set_num_threads, (1,))

    def take(self, step: int) -> T:
        """Return what step number `step` needs."""
        if self._pool is None:
            return self._make(step)
        for later in range(step, step + 2 * self._threads):
            if later not in self._waiting:
                self._waiting[later] = self._pool.submit(self._make, later)
        return self._waiting.pop(step).result()

    def close(self) -> None:
        """Give up what was not taken."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
