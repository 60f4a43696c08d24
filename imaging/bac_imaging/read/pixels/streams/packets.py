"""The packets of a JPEG 2000 tile, walked by their headers (ITU-T T.800 annex B).

A packet has no check sum, but its header says how many bytes of which code blocks follow. Damage to a header
makes every packet behind it begin at the wrong place, and openjpeg leaves empty what it then does not find.
So the headers are read here: the packets must fill their tile to its last byte, and no code block may hold
more than it can. What is coded within them has nothing that it could be held against, but for bytes that no
encoder writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bac_terms.errors import FailedError, RefusedError

MOST_BLOCKS = 200_000
"""Code blocks times layers that are walked: some seconds; a mammogram has some thousands in one layer."""
_SOP, _SOP_BYTES, _EPH = b"\xff\x91", 6, b"\xff\x92"
_FIRST_LENGTH_BITS = 3  # B.10.7.1
_MOST_LENGTH_BITS = 32  # no file is longer; the time to read a number grows with the square of its bits
# No two bytes of coded data are more than FF8F (B.10.1, C.2.6), so that markers can be found.
_NEVER = re.compile(rb"\xff[\x90-\xff]", re.DOTALL)
_RUN = re.compile(rb"(.)\1{31}", re.DOTALL)  # coded data are as good as random
_DOUBT = "a part of its compressed pixels has one value, as if lost"


class Span(NamedTuple):
    """Where something begins and ends, x before y, the ends exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Coding:
    """How a tile is divided and in which order its packets stand.

    Attributes
    ----------
    levels, layers : int
        Decompositions, quality layers.
    progression : int
        0 to 4, as T.800 table A.16 has them.
    block : (int, int)
        Exponents of a code block's width and height.
    precincts : tuple of (int, int)
        Exponents of the precincts' width and height, by resolution.
    planes : tuple of int
        Most bit planes of each subband: of the lowest, then three of each resolution.
    has_ends : bool
        Whether each header is followed by a marker.
    """

    levels: int
    layers: int
    progression: int
    block: tuple[int, int]
    precincts: tuple[tuple[int, int], ...]
    planes: tuple[int, ...]
    has_ends: bool


class _Tree:
    """A tag tree (B.10.2)."""

    def __init__(self, width: int, height: int) -> None:
        self._levels: list[tuple[int, list[int], list[bool]]] = []
        while True:
            self._levels.append((width, [0] * (width * height), [False] * (width * height)))
            if width * height <= 1:
                break
            width, height = (width + 1) // 2, (height + 1) // 2

    def value(self, bits: _Bits, x: int, y: int, below: int) -> int:
        """Read on until the value of a leaf is known or not below a bound, which it then gives."""
        low = 0
        for level in range(len(self._levels) - 1, -1, -1):
            width, values, known = self._levels[level]
            at = (y >> level) * width + (x >> level)
            low = max(low, values[at])
            while not known[at] and low < below:
                if bits.take(1):
                    known[at] = True
                else:
                    low += 1
            values[at] = low
        return low


class _Bits:
    """Bits of a packet header: after FF a byte has seven (B.10.1)."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at
        self._byte = self._left = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            if not self._left:
                self._left = 7 if self._byte == 0xFF else 8
                self._byte = self._data[self.at]
                self.at += 1
            self._left -= 1
            value = value << 1 | (self._byte >> self._left & 1)
        return value

    def end(self) -> int:
        """Give where the header ends: a last byte FF is followed by one more."""
        return self.at + (self._byte == 0xFF)


@dataclass
class _Blocks:
    """Code blocks of one subband in one precinct."""

    width: int
    height: int
    planes: int
    included: _Tree = field(init=False)
    empty: _Tree = field(init=False)
    passes: list[int] = field(init=False)
    length_bits: list[int] = field(init=False)
    most: list[int] = field(init=False)

    def __post_init__(self) -> None:
        count = self.width * self.height
        self.included, self.empty = _Tree(self.width, self.height), _Tree(self.width, self.height)
        self.passes, self.most = [0] * count, [0] * count
        self.length_bits = [_FIRST_LENGTH_BITS] * count


@dataclass
class _Precinct:
    order: tuple[int, ...]
    layer: int
    bands: list[_Blocks]


def check_packets(data: bytes, tile: Span, coding: Coding) -> tuple[str, ...]:
    """Walk the packets of a tile of one component.

    Parameters
    ----------
    data : bytes
        What its tile-parts hold behind their headers, one after the other.
    tile : Span
        Where it lies.
    coding : Coding
        How it is divided. Code blocks are coded in one piece each (Scod and style of code blocks without
        bypass and termination).

    Returns
    -------
    tuple of str
        What is allowed but is hardly ever met, and is more likely damage.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED`` if packets are missing.
    FailedError
        ``BAC-DECODE-FAILED`` if they do not fill the tile, or hold what no encoder writes.
    """
    at, doubts = 0, set[str]()
    try:
        for precinct in _in_order(tile, coding):
            if data.startswith(_SOP, at):
                at += _SOP_BYTES
            at, lengths = _read_header(data, at, precinct, coding.has_ends)
            for length in lengths:
                block = data[at : at + length]
                if len(block) < length:
                    raise RefusedError("BAC-FILE-TRUNCATED", "packets are missing in the compressed pixels")
                if _NEVER.search(block):
                    raise _damaged("bytes that no encoder writes")
                if _RUN.search(block):
                    doubts.add(_DOUBT)
                at += length
    except IndexError:
        raise RefusedError("BAC-FILE-TRUNCATED", "packets are missing in the compressed pixels") from None
    rest = data[at:]
    if rest.strip(rest[:1]):
        raise _damaged("packets do not fill their tile")
    return tuple(doubts)


def count_blocks(tile: Span, coding: Coding) -> int:
    """Tell about how many code blocks, times layers, a tile has."""
    area = (tile.x1 - tile.x0) * (tile.y1 - tile.y0)
    return coding.layers * (1 + (area >> sum(coding.block)) + sum(_count(tile, coding)))


def _count(tile: Span, coding: Coding) -> Iterator[int]:
    """Count the precincts of each resolution, of which there may be as many as pixels."""
    for resolution, (wide, high) in enumerate(coding.precincts):
        area = _scaled(tile, coding.levels - resolution)
        yield (-(-area.x1 >> wide) - (area.x0 >> wide)) * (-(-area.y1 >> high) - (area.y0 >> high))


def _read_header(data: bytes, at: int, precinct: _Precinct, has_end: bool) -> tuple[int, list[int]]:
    """Read a packet's header; give where its body begins and how long the parts of that are."""
    bits, lengths = _Bits(data, at), list[int]()
    if bits.take(1):
        for band in precinct.bands:
            for y in range(band.height):
                for x in range(band.width):
                    if (length := _read_block(bits, band, x, y, precinct.layer)) is not None:
                        lengths.append(length)
    at = bits.end()
    if has_end:
        if data[at : at + 2] != _EPH:
            raise _damaged("the header of a packet")
        at += 2
    return at, lengths


def _read_block(bits: _Bits, band: _Blocks, x: int, y: int, layer: int) -> int | None:
    """Read how many bytes of a code block a packet holds; None for none."""
    place = y * band.width + x
    if band.passes[place]:
        if not bits.take(1):
            return None
    else:
        if band.included.value(bits, x, y, layer + 1) > layer:
            return None
        planes = band.planes - band.empty.value(bits, x, y, band.planes + 1)
        if planes <= 0:
            raise _damaged("a code block without bit planes")
        band.most[place] = 3 * planes - 2
    passes = _read_passes(bits)
    band.passes[place] += passes
    if band.passes[place] > band.most[place]:
        raise _damaged("a code block with more than all of its bit planes")
    while bits.take(1):
        band.length_bits[place] += 1
        if band.length_bits[place] > _MOST_LENGTH_BITS:
            raise _damaged("the length of a code block")
    return bits.take(band.length_bits[place] + passes.bit_length() - 1)


def _read_passes(bits: _Bits) -> int:
    """Read the number of coding passes (table B.4)."""
    if not bits.take(1):
        return 1
    if not bits.take(1):
        return 2
    for width, first in ((2, 3), (5, 6)):
        value = bits.take(width)
        if value < (1 << width) - 1:
            return first + value
    return 37 + bits.take(7)


def _in_order(tile: Span, coding: Coding) -> Iterator[_Precinct]:
    """Give a tile's precincts in the order of its packets (B.12), once for each layer."""
    found: list[tuple[tuple[int, ...], list[_Blocks]]] = []
    for resolution in range(coding.levels + 1):
        for number, (x, y) in enumerate(
            _grid(_scaled(tile, coding.levels - resolution), coding.precincts[resolution])
        ):
            wide, high = coding.precincts[resolution]
            shift = coding.levels - resolution
            place = max(tile.y0, y << (high + shift)), max(tile.x0, x << (wide + shift))
            found.append(((resolution, number, *place), _bands(tile, coding, resolution, x, y)))
    packets = []
    for layer in range(coding.layers):
        for (resolution, number, top, left), bands in found:
            order = (
                (layer, resolution, number),
                (resolution, layer, number),
                (resolution, top, left, layer),
                (top, left, resolution, layer),
                (top, left, resolution, layer),
            )[coding.progression]
            packets.append(_Precinct(order, layer, bands))
    yield from sorted(packets, key=lambda packet: packet.order)


def _scaled(tile: Span, shift: int) -> Span:
    return Span(*(-(-value >> shift) for value in tile))


def _grid(area: Span, exponents: tuple[int, int]) -> list[tuple[int, int]]:
    """Give the precincts that an area touches, row by row, by their place in the partition."""
    if area.x0 >= area.x1 or area.y0 >= area.y1:
        return []
    wide, high = exponents
    columns = range(area.x0 >> wide, -(-area.x1 >> wide))
    return [(x, y) for y in range(area.y0 >> high, -(-area.y1 >> high)) for x in columns]


def _bands(tile: Span, coding: Coding, resolution: int, x: int, y: int) -> list[_Blocks]:
    """Give the code blocks of a precinct, subband by subband; those without any are left out."""
    wide, high = coding.precincts[resolution]
    halves: tuple[tuple[int, int], ...] = ((0, 0),)
    shift = coding.levels
    if resolution:
        halves, shift = ((1, 0), (0, 1), (1, 1)), coding.levels - resolution + 1
        wide, high = wide - 1, high - 1
    block = min(coding.block[0], wide), min(coding.block[1], high)
    bands = []
    for number, (right, down) in enumerate(halves):
        # B.5: the subband's own coordinates.
        across, along = (half << shift >> 1 for half in (right, down))
        x0, x1 = (-(-(value - across) >> shift) for value in (tile.x0, tile.x1))
        y0, y1 = (-(-(value - along) >> shift) for value in (tile.y0, tile.y1))
        x0, x1 = max(x0, x << wide), min(x1, (x + 1) << wide)
        y0, y1 = max(y0, y << high), min(y1, (y + 1) << high)
        if x0 < x1 and y0 < y1:
            width = -(-x1 >> block[0]) - (x0 >> block[0])
            height = -(-y1 >> block[1]) - (y0 >> block[1])
            planes = coding.planes[3 * (resolution - 1) + 1 + number if resolution else 0]
            bands.append(_Blocks(width, height, planes))
    return bands


def _damaged(found: str) -> FailedError:
    return FailedError("BAC-DECODE-FAILED", f"the compressed pixels are damaged ({found})")
