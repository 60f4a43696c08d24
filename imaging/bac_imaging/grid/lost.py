"""Pixels of the breast that were lost: a rectangle of one value, as copying leaves where a block is missing.

No X-ray image is without noise, but what was saturated, masked, collimated or burned in has one value, too.
What tells them apart: a lost block begins and ends with a jump, on the same two rows over many columns, and
has breast beside it. Air, skin and calcium end in curves, collimated fields and backgrounds at the border.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]

_EVERY = 4  # columns looked at first
_ALIKE = 4  # of those in a row that have one value
_LEAST_RAW, _LEAST_SHOWN = 1, 6  # neighbours of these that begin and end on the same rows
_JUMP_FRACTION = 0.05  # of the breast's range of signal
_NOISES = 6.0  # of the differences between rows
_FILM_ROWS = 2
_LEAST_ROWS, _MOST_EQUAL = 4, 0.3  # of a block without a jump, in an image whose neighbours are rarely equal
_BESIDE = 30  # working pixels about a block
_BREAST_FRACTION = 0.2  # of those, that are breast
_LEAST_TURNS = 0.15  # of the pixels, that are no value between their neighbours': two of three in white noise
_MOST_RUNS = 2_000_000  # of an image that is flat all over, such as a drawing


def has_lost_pixels(signal: FloatArray, breast: BoolArray, *, is_raw: bool, is_film: bool = False) -> bool:
    """Tell whether a part of the breast was lost.

    Parameters
    ----------
    signal : ndarray of float32, shape (rows, columns)
        Signal in the stored matrix.
    breast : ndarray of bool, shape (h, w)
        Breast on the working grid.
    is_raw : bool
        True for what a detector gave: nothing in it is flat. In other images only wide blocks count.
    is_film : bool, optional
        True for scans, some of which lack a single row all over.

    Returns
    -------
    bool
    """
    alike = _alike(signal)
    starts, ends, cells = _runs(alike)
    if not 0 < starts.size <= _MOST_RUNS:
        return False
    level, is_noisy, has_noise = _jump(signal, breast)
    if is_raw and not has_noise:  # computed and not exposed: steps of one value are what was meant
        return False
    lowest, highest = float(signal.min()), float(signal.max())
    least = _LEAST_RAW if is_raw else _LEAST_SHOWN
    for first, last, left, right in _blocks(starts, ends, cells, least):
        columns = slice(left * _EVERY, (right + _ALIKE - 2) * _EVERY + 1)
        if is_film and last - first < _FILM_ROWS:
            continue
        block = signal[first:last, columns]
        if block.min() != block.max():
            continue
        value = float(block[0, 0])
        above, below = (signal[row, columns] - value for row in (first - 1, last))
        # What is saturated or without exposure has no noise either, but lies at an end.
        is_dead = is_raw and is_noisy and last - first >= _LEAST_ROWS and lowest < value < highest
        is_cut = min(float(np.median(np.abs(each))) for each in (above, below)) > level
        if (is_cut or is_dead) and _lies_in(
            breast, signal.shape, (first, last), (columns.start, columns.stop)
        ):
            return True
    return False


def _alike(signal: FloatArray) -> BoolArray:
    sampled = signal[:, ::_EVERY]
    equal = sampled[:, 1:] == sampled[:, :-1]
    width = equal.shape[1] - _ALIKE + 2
    alike: BoolArray = equal[:, :width].copy()
    for step in range(1, _ALIKE - 1):
        alike &= equal[:, step : step + width]
    return alike


def _runs(alike: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Give first row, row behind the last, and cell of all vertical runs that touch neither border."""
    padded = np.zeros((alike.shape[1], alike.shape[0] + 2), dtype=np.int8)
    padded[:, 1:-1] = alike.T
    edges = np.diff(padded, axis=1)
    cells, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    inside = (starts > 0) & (ends < alike.shape[0])
    return starts[inside], ends[inside], cells[inside]


def _blocks(starts: IntArray, ends: IntArray, cells: IntArray, least: int) -> list[tuple[int, int, int, int]]:
    """Put runs of the same rows in neighbouring cells together: first row and cell, and those behind."""
    order = np.lexsort((cells, ends, starts))
    starts, ends, cells = starts[order], ends[order], cells[order]
    is_new = np.r_[True, (np.diff(starts) != 0) | (np.diff(ends) != 0) | (np.diff(cells) != 1)]
    firsts = np.flatnonzero(is_new)
    counts = np.diff(np.r_[firsts, starts.size])
    wide = counts >= least
    return [
        (int(starts[at]), int(ends[at]), int(cells[at]), int(cells[at]) + int(count))
        for at, count in zip(firsts[wide], counts[wide], strict=True)
    ]


def _jump(signal: FloatArray, breast: BoolArray) -> tuple[float, bool, bool]:
    """Give the step between two rows that no tissue makes, whether neighbours are rarely equal, and noise."""
    height, width = breast.shape
    rows, columns = np.nonzero(breast[::8, ::8])
    rows = np.minimum(rows * 8 * signal.shape[0] // height, signal.shape[0] - 3)
    columns = np.minimum(columns * 8 * signal.shape[1] // width, signal.shape[1] - 1)
    seen = signal[rows, columns]
    low, high = np.percentile(seen, [1.0, 99.0])
    down, on = signal[rows + 1, columns] - seen, signal[rows + 2, columns] - signal[rows + 1, columns]
    steps = np.abs(down)
    step = max(_JUMP_FRACTION * float(high - low), _NOISES * float(np.median(steps)))
    return step, float(np.mean(steps == 0)) < _MOST_EQUAL, float(np.mean(down * on < 0.0)) > _LEAST_TURNS


def _lies_in(
    breast: BoolArray, shape: tuple[int, ...], rows: tuple[int, int], columns: tuple[int, int]
) -> bool:
    height, width = breast.shape
    first, last = (row * height // shape[0] for row in rows)
    left, right = (column * width // shape[1] for column in columns)
    around = breast[max(0, first - _BESIDE) : last + _BESIDE, max(0, left - _BESIDE) : right + _BESIDE]
    outer = around.size - (last - first) * (right - left)
    return bool(around.sum() > _BREAST_FRACTION * max(outer, 1))
