"""A reader's outline through the science: what is weighed is what was drawn, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.imaging.vessels.test_position import context_of, half_ellipse

from bac_imaging.given import packed, take, unpacked
from bac_imaging.options import read_options
from bac_imaging.pipeline import prepare, quantify
from bac_terms.errors import RefusedError


def option(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return {"rows": mask.shape[0], "columns": mask.shape[1], "bits": packed(mask)}


def bar(row: int, column: int, rows: int = 12, columns: int = 200) -> npt.NDArray[np.bool_]:
    mask = np.zeros((1800, 1200), bool)
    mask[row : row + rows, column : column + columns] = True
    return mask


def code_of(mask: npt.NDArray[np.bool_]) -> str:
    with pytest.raises(RefusedError) as refused:
        take(mask, context_of(half_ellipse()))
    return refused.value.code


def test_pieces_as_they_were_drawn() -> None:
    context = context_of(half_ellipse())
    given = take(bar(600, 200) | bar(1100, 200), context)
    assert len(given.segmentation.lengths_mm) == 2
    # 20 mm long, less what thinning takes off the ends, and 1.2 wide.
    assert given.segmentation.lengths_mm == pytest.approx((20.0, 20.0), abs=1.5)
    assert given.notices == ()
    np.testing.assert_array_equal(given.stored, bar(600, 200) | bar(1100, 200))


def test_a_speck_is_a_piece_too() -> None:
    given = take(bar(900, 300, 2, 2), context_of(half_ellipse()))
    assert len(given.segmentation.lengths_mm) == 1
    assert given.segmentation.lengths_mm[0] > 0


def test_what_is_refused() -> None:
    assert code_of(np.zeros((1800, 1200), bool)) == "BAC-MASK-EMPTY"
    assert code_of(np.ones((1800, 1199), bool)) == "BAC-MASK-SIZE"
    assert code_of(bar(100, 900)) == "BAC-MASK-OFF-BREAST"


def test_what_lies_outside_is_cut_off_with_a_word() -> None:
    # A third of it lies beyond the skin line, which is 68.5 mm from the wall at the middle row.
    given = take(bar(894, 550, 12, 200), context_of(half_ellipse()))
    assert [notice.code for notice in given.notices] == ["BAC-W-MASK-CUT"]
    assert given.stored.sum() < bar(894, 550, 12, 200).sum()


@pytest.mark.parametrize(
    "mask",
    [
        "text",
        {"rows": 1, "columns": 1},
        {"rows": True, "columns": 1, "bits": ""},
        {"rows": 1, "columns": 1, "bits": 5},
    ],
)
def test_options_that_are_none(mask: object) -> None:
    with pytest.raises(RefusedError) as refused:
        read_options({"mask": mask})
    assert refused.value.code == "BAC-OPTIONS-INVALID"


@pytest.mark.parametrize(
    "bits", ["", "%%%", "AAAA", packed(np.zeros((4, 4), bool)), packed(np.zeros((900, 900), bool))]
)
def test_bits_that_are_no_mask_of_the_image(bits: str) -> None:
    with pytest.raises(RefusedError) as refused:
        unpacked(bits, (1800, 1200))
    assert refused.value.code in ("BAC-MASK-UNREADABLE", "BAC-MASK-SIZE")


@pytest.mark.slow
def test_a_phantoms_true_outline_weighs_what_the_phantom_holds(coarse: str) -> None:
    """With no help of the network, which is told to see nothing; and half of it weighs about half."""
    from bac_phantom import PhantomConfig, make_woman

    woman = make_woman(903, PhantomConfig(look="raw", detectors=(coarse,)), mass_mg=45.0)
    view = next(v for v in woman.views if v.mask.any())
    prepared = prepare(view.encode(), {"mask": option(view.mask)})
    nothing = np.zeros((len(prepared.context.origins), 1, 512, 512), np.float32)
    result = quantify(nothing, prepared.signal, prepared.context)
    report = result.report
    assert report.outline_source == "given"
    assert report.bac_detected is True
    assert report.bac_probability is not None
    assert report.bac_probability < 0.5  # the network's word on the image, which saw nothing
    assert [vessel.probability for vessel in report.vessels] == [None] * len(report.vessels)
    low, high = report.calcium_mass_interval_mg or (0.0, 0.0)
    assert low <= view.calcium_mass_mg <= high
    assert (result.mask & ~view.mask).sum() == 0
    half = view.mask & (np.arange(view.mask.shape[0])[:, None] < np.argwhere(view.mask)[:, 0].mean())
    cut = prepare(view.encode(), {"mask": option(half)})
    part = quantify(nothing, cut.signal, cut.context).report
    assert part.calcium_mass_mg is not None
    assert report.calcium_mass_mg is not None
    assert 0.2 < part.calcium_mass_mg / report.calcium_mass_mg < 0.8
    with pytest.raises(RefusedError) as refused:
        prepare(view.encode(), {"mask": option(view.mask[:-1])})
    assert refused.value.code == "BAC-MASK-SIZE"
