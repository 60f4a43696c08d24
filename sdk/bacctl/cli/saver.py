"""Writes what ``--save`` asks for. A disk that is full costs files, never results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bac_imaging.files import write_whole
from bac_terms.errors import BacctlError
from bacctl.cli.guard import CommandError, complain, describe_os_error
from bacctl.outputs.document import analysis_csv, document_text
from bacctl.outputs.files import NameTable
from bacctl.outputs.mask import mask_png
from bacctl.results import ImageResult


class Saver:
    """The files of one run.

    Parameters
    ----------
    out : Path
        The folder they go to; made when it is needed.
    kinds : tuple of str
        Of "json", "csv", "mask", "overlay".
    pixel_spacing_mm : tuple of float or None
        What the images were analysed with; to read them once more for the overlay.

    Attributes
    ----------
    failed : bool
        Whether a file that was asked for is missing.
    written : int
        Files that stand in the folder.
    replaced : int
        How many of them took the place of a file that was there before.
    """

    def __init__(
        self, out: Path, kinds: tuple[str, ...], pixel_spacing_mm: tuple[float, float] | None
    ) -> None:
        self.failed = False
        self.written = 0
        self.replaced = 0
        self._out = out
        self._kinds = kinds
        self._spacing = pixel_spacing_mm
        self._names = NameTable()
        # Open from prepare() on, and closed again by the first fault.
        self._open = False

    def prepare(self) -> None:
        """Make the folder now, so that one that cannot be written is told before the work begins."""
        if not self._kinds:
            return
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            probe = self._out / ".bacctl-probe"
            write_whole(probe, b"")
            probe.unlink()
            self._open = True
        except OSError as error:
            self._give_up(error)

    def save(self, result: ImageResult) -> ImageResult:
        """Write the files of one image and return its result with their paths."""
        makers: dict[str, Callable[[ImageResult], bytes]] = {"mask": self._mask, "overlay": self._overlay}
        wanted = [kind for kind in self._kinds if kind in makers]
        if not wanted or not self._open:
            return result
        stem = self._names.stem(result)
        files = dict(result.files)
        for kind in wanted:
            try:
                data = makers[kind](result)
            except Exception as error:
                # A picture that cannot be drawn must not cost the measurement.
                complain(f"{result.path}: no {kind}: {_why_not(error)}")
                self.failed = True
                continue
            path = self._out / f"{stem}.{kind}.png"
            if self._write(path, data):
                files[kind] = str(path)
        return replace(result, files=files)

    def finish(self, document: Mapping[str, Any], images: Sequence[ImageResult]) -> None:
        """Write the files of the whole run."""
        if "json" in self._kinds:
            self._write(self._out / "analysis.json", document_text(document).encode())
        if "csv" in self._kinds:
            text = analysis_csv(images)
            self._write(self._out / "analysis.csv", text.encode("utf-8", "backslashreplace"))

    def _write(self, path: Path, data: bytes) -> bool:
        if not self._open:
            return False
        # Names are unique within a run, so that whatever stands there is older than it.
        replaces = os.path.lexists(path)
        try:
            write_whole(path, data)
        except OSError as error:
            self._give_up(error)
            return False
        self.written += 1
        self.replaced += replaces
        return True

    def _give_up(self, error: OSError) -> None:
        complain(
            f"{self._out}: cannot be written ({describe_os_error(error).rsplit(': ', 1)[-1]}); "
            "free some space or give another folder with --out; the results follow without files"
        )
        self.failed = True
        self._open = False

    def _mask(self, result: ImageResult) -> bytes:
        if result.mask is None:
            raise CommandError("the server sent no mask")
        return mask_png(result.mask)

    def _overlay(self, result: ImageResult) -> bytes:
        from bac_imaging.read.reader import read_mammogram
        from bacctl.drawing.overlay import overlay_png

        if result.path is None:
            raise CommandError("the image is not a file")
        image = read_mammogram(result.path.read_bytes(), self._spacing)
        if result.mask is not None and image.signal.shape != result.mask.shape:
            raise CommandError("the file is not what it was when it was measured")
        raw = image.signal_kind == "log_exposure"
        return overlay_png(image.signal, image.valid, result.mask, result, flatten=raw)


def _why_not(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f'{error.name} is not installed; run: pip install "bacctl[dicom]"'
    if isinstance(error, (CommandError, BacctlError)):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    return type(error).__name__  # its text may quote a header
