"""Where training cases come from: women of either phantom, made here, or files of a folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from bac_training.errors import TrainingError

if TYPE_CHECKING:
    from bac_phantom import PhantomConfig
    from bac_randfield import RandomFieldConfig

__all__ = ["PhantomSource", "RandomFieldSource", "Sample", "Source", "read_mask"]

LookChoice = Literal["raw", "presentation", "film", "mixed"]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """One image with its truth."""

    name: str  # name of the case, unique in its source and fit for a file name; holds nothing about a patient
    data: bytes  # DICOM, PNG, TIFF or JPEG file
    # options of `bac_imaging.pipeline.prepare`, such as ``{"pixel_spacing_mm": [0.05, 0.05]}``
    options: Mapping[str, Any] | None
    mask: BoolArray  # bool (rows, columns): BAC in the stored matrix


class Source(Protocol):
    """A set of samples in units that are made together, such as the four views of one woman."""

    def describe(self) -> dict[str, Any]:
        """Return what the samples are made of, JSON-able, without what only says how many there are."""
        ...

    def units(self) -> Sequence[str]:
        """Return the names of all units, in order."""
        ...

    def load(self, unit: str) -> Iterator[Sample]:
        """Yield the samples of one unit."""
        ...


@dataclass(frozen=True)
class PhantomSource:
    """Phantom women by seed.

    Parameters
    ----------
    seeds : sequence of int
        One woman each.
    look : {"raw", "presentation", "film", "mixed"}
        How their images are stored; mixed gives a network that takes all three.
    """

    seeds: Sequence[int]
    look: LookChoice = "mixed"

    def describe(self) -> dict[str, Any]:
        """Return the configuration of the phantom."""
        text = json.dumps(dataclasses.asdict(self._config()), sort_keys=True)
        return {"kind": "phantom", "config": json.loads(text)}

    def _config(self) -> PhantomConfig:
        from bac_phantom import MIXES

        return dataclasses.replace(MIXES["training"], look=self.look)

    def units(self) -> Sequence[str]:
        """Return one unit a woman, named by her seed."""
        return [f"woman-{seed}" for seed in self.seeds]

    def load(self, unit: str) -> Iterator[Sample]:
        """Make one woman and yield her four views."""
        from bac_phantom import make_woman

        woman = make_woman(int(unit.removeprefix("woman-")), self._config())
        for view in woman.views:
            spacing = view.pixel_spacing_mm
            options = None if spacing is None else {"pixel_spacing_mm": list(spacing)}
            name = f"{unit}-{view.laterality}{view.view}"
            yield Sample(name, view.encode(), options, np.asarray(view.mask, dtype=np.bool_))


@dataclass(frozen=True)
class RandomFieldSource:
    """Women of the random-field phantom, by seed.

    Parameters
    ----------
    seeds : sequence of int
        One woman each.
    look : str
        How their images are stored: a look of `bac_randfield.RandomFieldConfig`, or mixed.
    styles, systems : tuple of str, optional
        Ways of processing and units to draw from; all where empty. To leave one out, name the others.
    """

    seeds: Sequence[int]
    look: str = "mixed"
    styles: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return the configuration of the phantom."""
        text = json.dumps(dataclasses.asdict(self._config()), sort_keys=True)
        return {"kind": "randfield", "config": json.loads(text)}

    def _config(self) -> RandomFieldConfig:
        from bac_randfield import RandomFieldConfig

        config = RandomFieldConfig(look=self.look)
        return dataclasses.replace(
            config, styles=self.styles or config.styles, systems=self.systems or config.systems
        )

    def units(self) -> Sequence[str]:
        """Return one unit a woman, named by her seed."""
        return [f"randfield-{seed}" for seed in self.seeds]

    def load(self, unit: str) -> Iterator[Sample]:
        """Make one woman and yield her views."""
        from bac_randfield import women_of

        for woman in women_of(int(unit.removeprefix("randfield-")), self._config()):
            for view in woman.views:
                spacing = view.pixel_spacing_mm
                options = None if spacing is None else {"pixel_spacing_mm": list(spacing)}
                # A pair shows one view twice: its look keeps the names apart.
                name = f"{unit}-{view.laterality}{view.view}-{view.look}"
                yield Sample(name, view.encode(), options, np.asarray(view.mask, dtype=np.bool_))


def read_mask(path: Path) -> BoolArray:
    """Read a mask image: bool, shape (rows, columns), True where it holds 255.

    Raises
    ------
    TrainingError
        When it cannot be read or holds anything but 0 and 255: labels of 0 and 1 would pass for no BAC.
    """
    try:
        with Image.open(path) as image:
            grey = image.mode in ("1", "L")
            values = np.asarray(image.convert("L"))
    except OSError as error:
        raise TrainingError(f"cannot read the mask {path.name} ({error}); write it as 8-bit PNG") from None
    if not grey or ((values != 0) & (values != 255)).any():
        raise TrainingError(
            f"the mask {path.name} holds other values than 0 and 255; write 0 for no BAC and 255 for BAC, "
            "as 8-bit grey PNG"
        )
    return np.asarray(values == 255)
