"""One axis of a resampling, as matrix products that are small enough to stay in the cache.

A resampling weighs a few neighbouring cells for each target cell, so its matrix is a narrow band. The band is
cut into blocks of `_BLOCK` target cells, each a small dense matrix. Their products need no transposed copy of
the image, and BLAS is several times faster at them than a sparse product, but where rows are added up to
fewer rows: those lie whole in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

_BLOCK = 16  # target cells: more make a block wider, mostly with zeros, fewer make more calls
_STRIP = 256  # rows of an image that are resampled at a time: so many fit the cache
_ROWS = 4 * _BLOCK  # of a strip of a result, which fits the cache beside what is made of it
_SMALL = 2**18
"""Multiplications of one product up to which OpenBLAS keeps it in one thread: more threads would wait for
each other longer than they work, and take cores away from the network."""


@dataclass(frozen=True)
class Kind:
    """How target cells weigh source cells over the same field, both numbered from 0.

    Attributes
    ----------
    weights : callable
        From sizes of source and target, and numbers of target and of source cells that broadcast, to weights.
    reach : callable
        From the same sizes and numbers of target cells to the first and last source cell with a weight.
    """

    weights: Callable[[int, int, IntArray, IntArray], Weights]
    reach: Callable[[int, int, IntArray], tuple[IntArray, IntArray]]


def _overlap(source: int, target: int, into: IntArray, out_of: IntArray) -> Weights:
    end = np.minimum((into + 1) * source, (out_of + 1) * target)
    start = np.maximum(into * source, out_of * target)
    weights: Weights = np.maximum(end - start, 0) / source  # whole numbers up to here
    return weights


def _overlapping(source: int, target: int, into: IntArray) -> tuple[IntArray, IntArray]:
    return into * source // target, ((into + 1) * source - 1) // target


def _position(source: int, target: int, into: IntArray) -> Weights:
    """Place of target centres among the centres of source cells; beyond the outermost, theirs."""
    position: Weights = np.clip((into + 0.5) * source / target - 0.5, 0.0, source - 1.0)
    return position


def _linear(source: int, target: int, into: IntArray, out_of: IntArray) -> Weights:
    weights: Weights = np.maximum(1.0 - np.abs(_position(source, target, into) - out_of), 0.0)
    return weights


def _beside(source: int, target: int, into: IntArray) -> tuple[IntArray, IntArray]:
    below = _position(source, target, into).astype(np.int64)
    return below, np.minimum(below + 1, source - 1)


AREA = Kind(_overlap, _overlapping)
"""Mean over exact overlaps."""
LINEAR = Kind(_linear, _beside)
"""Linear interpolation between centres."""


@dataclass(frozen=True)
class Axis:
    """Weights along one axis, cut into blocks.

    Attributes
    ----------
    size, sources : int
        Target and source cells.
    starts : tuple of int
        First source cell of each block.
    blocks : ndarray of float32, shape (blocks, 16, source cells)
        Weights; what is beyond the last target cell is not used.
    """

    size: int
    sources: int
    starts: tuple[int, ...]
    blocks: FloatArray

    @cached_property
    def _each(self) -> tuple[tuple[slice, slice, FloatArray], ...]:
        """Target cells, source cells and weights of each block."""
        width, each = self.blocks.shape[2], []
        for low, first, weights in zip(range(0, self.size, _BLOCK), self.starts, self.blocks, strict=True):
            used = weights[: self.size - low]
            each.append((slice(low, low + len(used)), slice(first, first + width), used))
        return tuple(each)

    def along_columns(self, array: FloatArray) -> FloatArray:
        """Resample each row, (n, source) to (n, target), strip by strip."""
        out = np.empty((len(array), self.size), dtype=np.float32)
        step = max(1, min(_STRIP, _SMALL // self.blocks[0].size))
        blocks = [(target, source, weights.T) for target, source, weights in self._each]
        for first in range(0, len(array), step):
            strip, done = array[first : first + step], out[first : first + step]
            for target, source, weights in blocks:
                np.matmul(strip[:, source], weights, out=done[:, target])
        return out

    def strips(self, array: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Resample each column, (source, n) to (target, n), and give the result strip by strip.

        Each strip is valid until the next: whoever uses it at once needs no array of the whole result.
        """
        buffer = np.empty((_ROWS, array.shape[1]), dtype=np.float32)
        for target, source, weights in self._each:
            first = target.start // _ROWS * _ROWS
            rows = slice(target.start - first, target.stop - first)
            self._product(weights, array[source], buffer[rows])
            if rows.stop == _ROWS or target.stop == self.size:
                yield slice(first, target.stop), buffer[: rows.stop]

    def along_rows(self, array: FloatArray) -> FloatArray:
        """Resample each column, (source, n) to (target, n)."""
        if self.size < len(array):
            added: FloatArray = self._matrix @ array
            return added
        out = np.empty((self.size, array.shape[1]), dtype=np.float32)
        for target, source, weights in self._each:
            self._product(weights, array[source], out[target])
        return out

    @cached_property
    def _matrix(self) -> sparse.csr_matrix:
        """The same weights, (target, source)."""
        block, row, column = np.nonzero(self.blocks)
        into, out_of = block * _BLOCK + row, np.array(self.starts)[block] + column
        is_used = into < self.size
        values = self.blocks[block, row, column]
        places = (into[is_used], out_of[is_used])
        return sparse.csr_matrix((values[is_used], places), shape=(self.size, self.sources))

    def _product(self, weights: FloatArray, array: FloatArray, out: FloatArray) -> None:
        step = max(1, _SMALL // self.blocks[0].size)
        for first in range(0, array.shape[1], step):
            columns = slice(first, first + step)
            np.matmul(weights, array[:, columns], out=out[:, columns])


def reach(kind: Kind, source: int, target: int, wanted: tuple[int, int]) -> tuple[int, int]:
    """Give the first source cell that target cells from the first of `wanted` on need, and where they end."""
    ends = np.array([wanted[0], wanted[1] - 1])
    return int(kind.reach(source, target, ends)[0][0]), int(kind.reach(source, target, ends)[1][1]) + 1


@lru_cache(maxsize=64)  # images of one unit have one size
def axis(
    kind: Kind,
    source: int,
    target: int,
    wanted: tuple[int, int] | None = None,
    given: tuple[int, int] | None = None,
) -> Axis:
    """Make the weights of one axis.

    Parameters
    ----------
    kind : Kind
        `AREA` or `LINEAR`.
    source, target : int
        Cells of the whole field before and after.
    wanted : (int, int), optional
        First target cell to compute, and the one after the last. Default: all.
    given : (int, int), optional
        First source cell that there is, and the one after the last; the others count as 0. Default: all.

    Returns
    -------
    Axis
        Its source cells are those given, its target cells those wanted.
    """
    (low, high), (start, stop) = wanted or (0, target), given or (0, source)
    firsts = np.arange(low, high, _BLOCK)
    lasts = np.minimum(firsts + _BLOCK, high) - 1
    begin = np.maximum(kind.reach(source, target, firsts)[0], start)
    end = np.minimum(kind.reach(source, target, lasts)[1], stop - 1)
    width = int((end - begin).max()) + 1
    begin = np.minimum(begin, stop - width)
    into = firsts[:, None, None] + np.arange(_BLOCK)[:, None]
    out_of = begin[:, None, None] + np.arange(width)
    blocks = kind.weights(source, target, into, out_of).astype(np.float32)
    return Axis(high - low, stop - start, tuple((begin - start).tolist()), blocks)
