"""Which GPU is here, asked of NVIDIA's driver itself: no package of the CUDA toolkit is needed for that."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from bac_export.errors import ExportError

__all__ = ["Device", "find_device"]

_DRIVER = "libcuda.so.1"
# Of CUdevice_attribute in cuda.h.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NAME_BYTES = 128


@dataclass(frozen=True)
class Device:
    """A GPU."""

    name: str  # as the driver gives it, such as ``"NVIDIA L4"``
    compute_capability: str  # such as ``"8.9"``: what an engine is built for


def find_device(index: int = 0) -> Device:
    """Return the GPU that TensorRT takes where nobody chooses.

    Parameters
    ----------
    index : int, default 0
        Number of the device among those that ``CUDA_VISIBLE_DEVICES`` leaves.

    Raises
    ------
    ExportError
        There is no driver or no GPU.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        raise ExportError(
            f"{_DRIVER} is not here: an engine is built on the GPU that serves it; start the container with "
            "--gpus all on a machine with NVIDIA's driver"
        ) from None
    _call(driver.cuInit, 0)
    handle, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _call(driver.cuDeviceGet, ctypes.byref(handle), index)
    _call(driver.cuDeviceGetAttribute, ctypes.byref(major), _CAPABILITY_MAJOR, handle)
    _call(driver.cuDeviceGetAttribute, ctypes.byref(minor), _CAPABILITY_MINOR, handle)
    _call(driver.cuDeviceGetName, name, _NAME_BYTES, handle)
    return Device(name.value.decode(errors="replace"), f"{major.value}.{minor.value}")


def _call(function: Any, *arguments: Any) -> None:
    error = function(*arguments)
    if error:
        raise ExportError(
            f"NVIDIA's driver finds no GPU that can be used ({function.__name__} gives {error}); "
            "look with nvidia-smi"
        )
