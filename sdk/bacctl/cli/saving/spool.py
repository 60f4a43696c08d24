"""Masks and densities kept on disk until their exam is complete, so that memory does not grow with a run."""

from __future__ import annotations

import secrets
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

from bacctl.results import ImageResult


class Spool:
    """A folder that is there for the time of a run.

    Parameters
    ----------
    folder : Path
        Where to make it. It is hidden, and gone after `close`.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder / f".bacctl-{secrets.token_hex(8)}.spool"
        self._kept: dict[Path, str] = {}

    def keep(self, image: ImageResult) -> None:
        """Write mask and density of an image; those of one that is no file are lost.

        Raises
        ------
        OSError
            The disk is full, or the folder cannot be written.
        """
        if image.path is None or image.mask is None:
            return
        import numpy as np  # not while a server is waited for

        self._home.mkdir(exist_ok=True)
        name = str(len(self._kept))
        content = [np.packbits(image.mask).tobytes()]
        if image.density is not None:
            # Calcium lies in few pixels, so that zeros are most of it.
            content.append(image.density.astype("<f4").tobytes())
        for number, part in enumerate(content):
            (self._home / f"{name}.{number}").write_bytes(zlib.compress(part, 1))
        self._kept[image.path] = name

    def restored(self, image: ImageResult) -> ImageResult:
        """Return an image with the mask and the density that were kept of it."""
        name = None if image.path is None else self._kept.get(image.path)
        if name is None or image.rows is None or image.columns is None:
            return image
        import numpy as np

        shape = image.rows, image.columns
        bits = np.frombuffer(zlib.decompress((self._home / f"{name}.0").read_bytes()), np.uint8)
        mask = np.unpackbits(bits, count=shape[0] * shape[1]).astype(bool).reshape(shape)
        density = None
        if (self._home / f"{name}.1").exists():
            values = zlib.decompress((self._home / f"{name}.1").read_bytes())
            density = np.frombuffer(values, "<f4").astype(np.float32).reshape(shape)
        return replace(image, mask=mask, density=density)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._home, ignore_errors=True)
