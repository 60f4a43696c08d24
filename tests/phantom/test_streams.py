"""Every part of an exam draws from a stream of its own."""

from __future__ import annotations

from typing import get_args

from bac_phantom.streams import Part, stream


def test_no_two_parts_of_an_exam_share_a_stream() -> None:
    first = {
        stream(seed, part, index).integers(2**63)
        for seed in (0, 1, 7)
        for part in get_args(Part)
        for index in range(4)
    }
    assert len(first) == 3 * len(get_args(Part)) * 4
