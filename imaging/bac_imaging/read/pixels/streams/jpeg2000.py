"""The headers of a JPEG 2000 codestream, read strictly (ITU-T T.800 annex A).

openjpeg decodes whatever a flipped bit of them makes of the stream, without a word. So what the standard
fixes, and what one marker says of another, is held together here before it is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bac_imaging.read.attributes.acceptance import Layout
from bac_imaging.read.pixels.streams.packets import MOST_BLOCKS, Coding, Span, check_packets, count_blocks
from bac_terms.errors import FailedError, RefusedError

_START = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_SIZ, _COD, _QCD, _SOT, _SOD, _EOC = 0x51, 0x52, 0x5C, 0x90, 0x93, 0xD9
# CAP, SIZ, COD, COC, TLM, PLM, PLT, CPF, QCD, QCC, RGN, POC, PPM, PPT, CRG, COM.
_KNOWN = frozenset({0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x58, 0x59, *range(0x5C, 0x62), 0x63, 0x64})
_MOST_TILES, _MOST_SEGMENTS = 4096, 100_000
_MOST_LEVELS, _LARGEST_BLOCK, _MOST_PROGRESSIONS = 32, 8, 4
_HIGH_THROUGHPUT, _CAUSAL = 0x40, 0x08
_PRECINCTS, _SCOD_BITS = 1, 7
_GUARD_BITS = (1, 2)  # what encoders write
_WIDEST_BLOCK = 2  # how much more bits one side of a code block has than the other
_EXPONENT_ABOVE = range(-1, 5)  # of the lowest subband over the precision


# Where these are, packets stand in another order, are divided otherwise or have their headers elsewhere: CAP
# (high throughput), COC, QCC, RGN, POC, PPM, PPT; and in the header of a tile COD and QCD.
_OTHER_PACKETS = frozenset({0x50, 0x53, 0x5D, 0x5E, 0x5F, 0x60, 0x61})
_OF_A_TILE = _OTHER_PACKETS | {_COD, _QCD}
_LARGEST_PRECINCT = 15
_ENDS_OF_HEADERS = 4


@dataclass(frozen=True)
class _Style:
    flags: int
    progression: int
    layers: int
    levels: int
    block: tuple[int, int]
    is_reversible: bool
    style: int
    precincts: bytes


@dataclass
class _Tiles:
    """Where the packets of each tile lie, and whether a tile's header changes what they are like."""

    parts: dict[int, list[tuple[int, int]]]
    are_usual: bool = True


def check_jpeg2000(stream: bytes, expected: Layout) -> tuple[str, ...]:
    """Make sure that a codestream's headers agree with the DICOM header and with each other.

    Parameters
    ----------
    stream : bytes
        One frame, in a JP2 file or bare.
    expected : Layout
        What the DICOM header says.

    Returns
    -------
    tuple of str
        What is allowed but is hardly ever met, and is more likely damage.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED`` if the stream ends early.
    FailedError
        ``BAC-DECODE-FAILED`` if it is damaged or describes another image.
    struct.error, IndexError
        If a header ends early.
    """
    start = stream.find(_START)
    if start < 0:
        raise _damaged("no start of codestream")
    # The end marker may be followed by the byte that makes the fragment's length even, or by filling.
    if not stream.rstrip(b"\0\xff").endswith(_END):
        raise RefusedError("BAC-FILE-TRUNCATED")
    at, segments = start + 2, {}
    while True:
        prefix, marker, length = struct.unpack_from(">BBH", stream, at)
        if prefix != 0xFF:
            raise _damaged("no marker where one is due")
        if marker == _SOT:
            break
        if marker not in _KNOWN or length < 2 or (marker in segments and marker in (_SIZ, _COD, _QCD)):
            raise _damaged("unexpected marker")
        segments[marker] = stream[at + 4 : at + 2 + length]
        at += 2 + length
    if _COD not in segments or _QCD not in segments:
        raise _damaged("a header is missing")
    spans, precision = _check_size(segments[_SIZ], expected)
    style = _check_coding(segments[_COD], expected)
    _check_quantisation(segments[_QCD], style, precision)
    tiles = _walk_tile_parts(stream, at, len(spans))
    doubts = set(_unusual(style))
    is_walked = tiles.are_usual and not (_OTHER_PACKETS & segments.keys()) and not style.style & ~_CAUSAL
    if is_walked and expected.samples == 1:
        coding = _coding(style, segments[_QCD])
        if sum(count_blocks(span, coding) for span in spans) <= MOST_BLOCKS:
            for number, span in enumerate(spans):
                packets = b"".join(stream[first:last] for first, last in tiles.parts[number])
                doubts.update(check_packets(packets, span, coding))
    return tuple(sorted(doubts))


def _check_size(body: bytes, expected: Layout) -> tuple[list[Span], int]:
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack_from(">8IH", body, 2)
    if (y1 - y0, x1 - x0, components) != (expected.rows, expected.columns, expected.samples):
        raise _damaged("another size than the header says")
    if not (tile_x0 <= x0 < tile_x0 + tile_x and tile_y0 <= y0 < tile_y0 + tile_y):
        raise _damaged("tile size")
    across, along = -(-(x1 - tile_x0) // tile_x), -(-(y1 - tile_y0) // tile_y)
    if across * along > _MOST_TILES:
        raise _damaged("number of tiles")
    if len(body) != 36 + 3 * components:
        raise _damaged("length of a header")
    for component in range(components):
        depth, step_x, step_y = struct.unpack_from(">3B", body, 36 + 3 * component)
        if (step_x, step_y) != (1, 1) or (depth & 0x7F) + 1 > expected.bits_allocated:
            raise _damaged("another bit depth than the header says")
    corners = [
        (tile_x0 + column * tile_x, tile_y0 + row * tile_y)
        for row in range(along)
        for column in range(across)
    ]
    spans = [Span(max(x, x0), max(y, y0), min(x + tile_x, x1), min(y + tile_y, y1)) for x, y in corners]
    return spans, (body[36] & 0x7F) + 1


def _check_coding(body: bytes, expected: Layout) -> _Style:
    flags, progression, layers, transform, levels, wide, high, style, wavelet = struct.unpack_from(
        ">BBHBBBBBB", body
    )
    if flags & ~_SCOD_BITS or progression > _MOST_PROGRESSIONS or not layers:
        raise _damaged("coding style")
    if transform > 1 or (transform and expected.samples == 1) or wavelet > 1 or levels > _MOST_LEVELS:
        raise _damaged("coding style")
    if max(wide, high) > _LARGEST_BLOCK or wide + high > _LARGEST_BLOCK or abs(wide - high) > _WIDEST_BLOCK:
        raise _damaged("size of code blocks")
    if len(body) != 10 + (levels + 1 if flags & _PRECINCTS else 0):
        raise _damaged("length of a header")
    if any(not size & 15 or not size >> 4 for size in body[11:]):  # of all resolutions but the lowest
        raise _damaged("size of precincts")
    # The exponents of code blocks are written less two (table A.18).
    return _Style(flags, progression, layers, levels, (wide + 2, high + 2), bool(wavelet), style, body[10:])


def _coding(style: _Style, quantisation: bytes) -> Coding:
    """Put together what the packets are walked by."""
    bands = 3 * style.levels + 1
    kind, guard, steps = quantisation[0] & 31, quantisation[0] >> 5, quantisation[1:]
    exponents = [value >> 3 for value in (steps[::2] if kind else steps)]
    if kind == 1:  # those of the others follow from that of the lowest (E.1.1)
        exponents = [exponents[0] - max(0, (band - 1) // 3) for band in range(bands)]
    sizes = style.precincts or bytes([_LARGEST_PRECINCT * 17]) * (style.levels + 1)
    return Coding(
        levels=style.levels,
        layers=style.layers,
        progression=style.progression,
        block=style.block,
        precincts=tuple((size & 15, size >> 4) for size in sizes),
        planes=tuple(guard + exponent - 1 for exponent in exponents),
        has_ends=bool(style.flags & _ENDS_OF_HEADERS),
    )


def _check_quantisation(body: bytes, coding: _Style, precision: int) -> None:
    style, guard = body[0] & 31, body[0] >> 5
    bands = 3 * coding.levels + 1
    length = {0: bands, 1: 2, 2: 2 * bands}.get(style)
    if length != len(body) - 1 or coding.is_reversible != (style == 0):
        raise _damaged("quantisation")
    if guard not in _GUARD_BITS:
        raise _damaged("guard bits")
    if not coding.is_reversible:
        return
    low, *others = (value >> 3 for value in body[1:])
    if any(value & 7 for value in body[1:]):
        raise _damaged("quantisation")
    across, down, both = others[::3], others[1::3], others[2::3]
    is_even = (
        across == down
        and all(0 <= b - a <= 1 for a, b in zip(across, both, strict=True))
        # Encoders give finer levels the same or fewer bits.
        and across == sorted(across, reverse=True)
        and both == sorted(both, reverse=True)
        and (not across or (across[0] - across[-1] <= 2 and 0 <= across[0] - low <= 1))
    )
    if not is_even or low - precision not in _EXPONENT_ABOVE:
        raise _damaged("the exponents of its subbands")


def _walk_tile_parts(stream: bytes, at: int, tiles: int) -> _Tiles:
    """Follow the lengths of tile-parts to the end of the codestream."""
    seen: dict[int, int] = {}
    found = _Tiles({})
    for _ in range(_MOST_SEGMENTS):
        prefix, marker = stream[at], stream[at + 1]
        if (prefix, marker) == (0xFF, _EOC):
            break
        length, tile, size, part, parts = struct.unpack_from(">HHIBB", stream, at + 2)
        if (prefix, marker, length) != (0xFF, _SOT, 10):
            raise _damaged("no tile where one is due")
        # Kakadu has counted one part more than it said.
        if tile >= tiles or part < seen.get(tile, 0) or (parts and part > parts):
            raise _damaged("order of tiles")
        seen[tile] = part + 1
        first, markers = _check_tile_header(stream, at + 12)
        # Without a length the part goes to the end (A.4.2).
        at = at + size if size else stream.rindex(_END)
        found.parts.setdefault(tile, []).append((first, at))
        found.are_usual &= not (_OF_A_TILE & markers)
    else:
        raise _damaged("number of tiles")
    if len(seen) != tiles:
        raise RefusedError("BAC-FILE-TRUNCATED", "tiles are missing in the compressed pixels")
    if stream[at + 2 :].strip(b"\0\xff"):
        raise _damaged("data after the end of image")
    return found


def _check_tile_header(stream: bytes, at: int) -> tuple[int, set[int]]:
    """Walk a tile-part's header; give where its packets begin, and its markers."""
    markers: set[int] = set()
    for _ in range(_MOST_SEGMENTS):
        prefix, marker, length = struct.unpack_from(">BBH", stream, at)
        if (prefix, marker) == (0xFF, _SOD):
            return at + 2, markers
        markers.add(marker)
        if prefix != 0xFF or marker not in _KNOWN - {_SIZ} or length < 2:
            raise _damaged("unexpected marker")
        at += 2 + length
    raise _damaged("number of headers")


def _unusual(coding: _Style) -> tuple[str, ...]:
    is_usual = coding.style == 0 or coding.style & ~_CAUSAL == _HIGH_THROUGHPUT
    return () if is_usual else ("its compressed pixels name a rare style of coding",)


def _damaged(found: str) -> FailedError:
    return FailedError("BAC-DECODE-FAILED", f"the compressed pixels are damaged ({found})")
