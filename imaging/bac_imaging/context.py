"""What the steps after the network must know of an image; it travels between two processes as JSON."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_type_hints

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.working_grid import working_spacing
from bac_imaging.mask_bits import pack_mask, unpack_mask
from bac_imaging.read.mammogram import Mammogram
from bac_imaging.wire import read_as
from bac_terms.beam import Beam
from bac_terms.notices import Notice

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Context:
    """One image, beside its signal: what `bac_imaging.pipeline.prepare` hands on past the network.

    The attributes from `pixel_spacing_mm` to `warnings` are those of `bac_imaging.read.mammogram.Mammogram`
    and of its `geometry`, where they are explained.

    Attributes
    ----------
    rows, columns : int
        Size of the stored matrix.
    origins : ndarray of int32, shape (n, 2)
        First row and column of each tile on the working grid.
    breast : ndarray of bool, shape (h, w)
        Breast mask on the working grid.
    pixel_spacing_mm : (float, float)
        Of the stored matrix at the detector, (between rows, between columns).
    spacing_source : str
        Where it comes from.
    magnification : float
        Size at the detector over size at mid-breast.
    magnification_source : str
        What it rests on.
    beam : Beam or None
        Beam and compression; None for film and plain images.
    signal_kind : {"log_exposure", "display"}
        What the signal is.
    exposure_scale_known, mass_in_doubt, size_known : bool
        How far a mass may be trusted.
    presentation_intent : {"FOR PROCESSING", "FOR PRESENTATION"} or None
        None for film and plain images.
    sop_instance_uid, study_instance_uid : str or None
        Identifiers from the header.
    laterality : {"L", "R"} or None
        Side of the breast.
    view : str or None
        Projection.
    warnings : tuple of Notice
        What reading the image gave.
    min_probability : float
        Operating point, 0 to 1: vessels of a lower probability are not reported.
    """

    rows: int
    columns: int
    origins: IntArray
    breast: BoolArray
    pixel_spacing_mm: tuple[float, float]
    spacing_source: str
    magnification: float
    magnification_source: str
    beam: Beam | None
    signal_kind: Literal["log_exposure", "display"]
    exposure_scale_known: bool
    mass_in_doubt: bool
    size_known: bool
    presentation_intent: Literal["FOR PROCESSING", "FOR PRESENTATION"] | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    laterality: Literal["L", "R"] | None
    view: str | None
    warnings: tuple[Notice, ...]
    min_probability: float

    @classmethod
    def of(
        cls, mammogram: Mammogram, breast: BoolArray, origins: IntArray, min_probability: float = 0.0
    ) -> Context:
        """Collect it from the image as read, the breast mask, the tiles and the operating point."""
        rows, columns = mammogram.signal.shape
        return cls(
            rows=rows,
            columns=columns,
            origins=origins,
            breast=breast,
            **vars(mammogram.geometry),
            beam=mammogram.beam,
            signal_kind=mammogram.signal_kind,
            exposure_scale_known=mammogram.exposure_scale_known,
            mass_in_doubt=mammogram.mass_in_doubt,
            size_known=mammogram.size_known,
            presentation_intent=mammogram.presentation_intent,
            sop_instance_uid=mammogram.sop_instance_uid,
            study_instance_uid=mammogram.study_instance_uid,
            laterality=mammogram.laterality,
            view=mammogram.view,
            warnings=mammogram.warnings,
            min_probability=min_probability,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stored matrix."""
        return self.rows, self.columns

    @property
    def working_shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        rows, columns = self.breast.shape
        return rows, columns

    @property
    def working_spacing_mm(self) -> tuple[float, float]:
        """Spacing of the working grid at the detector, (between rows, between columns)."""
        return working_spacing(self.shape, self.pixel_spacing_mm, self.working_shape)

    @property
    def pixel_area_mm2(self) -> float:
        """Area of a stored pixel in the object's plane."""
        return self.pixel_spacing_mm[0] * self.pixel_spacing_mm[1] / self.magnification**2

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; the masks packed to a few kilobytes."""
        plain = {name: getattr(self, name) for name in get_type_hints(Context)}
        return {
            "rows": self.rows,
            "columns": self.columns,
            "grid": list(self.working_shape),
            **plain,
            "origins": self.origins.tolist(),
            "breast": _pack(self.breast),
            "pixel_spacing_mm": list(self.pixel_spacing_mm),
            "beam": None if self.beam is None else asdict(self.beam),
            "warnings": [{"code": notice.code, "text": notice.text} for notice in self.warnings],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Context:
        """Read what `to_dict` wrote.

        Raises
        ------
        ValueError
            It is something else, or damaged.
        """
        hints = get_type_hints(Context)
        if not isinstance(value, dict) or set(value) != {*hints, "grid"}:
            raise ValueError("no context of this release")
        tiles = read_as(tuple[tuple[int, int], ...], value["origins"])
        attributes: dict[str, Any] = {
            "origins": np.array(tiles, dtype=np.int32).reshape(-1, 2),
            "breast": _unpack(value["breast"], read_as(tuple[int, int], value["grid"])),
        }
        attributes |= {
            name: read_as(hint, value[name]) for name, hint in hints.items() if name not in attributes
        }
        context = cls(**attributes)
        sizes = (context.rows, context.columns, context.magnification, *context.pixel_spacing_mm)
        if not all(0 < size < math.inf for size in sizes) or not 0 <= context.min_probability <= 1:
            raise ValueError("a number of the context is out of range")
        return context


def _pack(mask: BoolArray) -> str:
    return base64.b64encode(zlib.compress(pack_mask(mask).tobytes(), 6)).decode("ascii")


def _unpack(text: Any, shape: tuple[int, int]) -> BoolArray:
    try:
        bits = zlib.decompress(base64.b64decode(text))
    except (TypeError, zlib.error) as error:
        raise ValueError("the breast mask of the context is damaged") from error
    if min(shape) < 1:
        raise ValueError("the breast mask of the context is of another size")
    return unpack_mask(bits, shape)
