"""Looking again: what the network finds has to be found in other orientations too.

An artery is one whichever way it lies, and a network that was trained on all orientations should say so. On
images unlike those that it was trained on it does not: most false finds are gone when the tile is turned, and
pieces of true arteries come and go. So a tile that may hold a find goes through the network in all eight
orientations of a square, and the answers vote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
Network = Callable[[FloatArray], FloatArray]

ORIENTATIONS = 8
OUTLINE_VOTES = 3
"""So many of the eight must give a pixel at least the probability that it gets."""
FIND_VOTES = 6
"""So many of the eight, the image's own among them, must reach the seed at a pixel for a find."""

_MARGIN = 1e-4  # below the seed: more than is lost where tiles that overlap are put together
_TILES = 8  # looked at again together: 8 MB each are kept meanwhile
_ROUNDS = (4, 6, 8)  # looks in all after each round: most false finds are out after the first


def vote(tiles: FloatArray, network: Network, core: float, seed: float) -> FloatArray:
    """Let the network look at the tiles of an image, and again where it may have found something.

    No tile is looked at again where none reaches the seed, as on most images without BAC. Tiles that do are
    looked at until it is plain that too few orientations agree. Only when they agree on one of them may the
    image have a find, and all tiles with a pixel at the core are looked at eight times.

    Parameters
    ----------
    tiles : ndarray of float32, shape (n, 1, h, h)
        All tiles of one image.
    network : callable
        From tiles to probabilities of the same shape.
    core, seed : float
        As of `bac_imaging.vessels.demands.PostProcessing`.

    Returns
    -------
    ndarray of float32, shape (n, 1, h, h)
        Probability. It reaches the seed only where `FIND_VOTES` orientations do, the image's own among them.
        Of tiles that were looked at eight times it is else what `OUTLINE_VOTES` of them say at least.
    """
    first = network(tiles)
    peaks = first.max(axis=(1, 2, 3), initial=0.0)
    sure = np.flatnonzero(peaks >= np.float32(seed))
    if not len(sure):
        return first
    answer = np.minimum(first, below(seed))
    agreed = next(filter(None, (_agreeing(tiles, first, network, part, seed) for part in _parts(sure))), None)
    if agreed is None:
        return answer
    doubtful = np.setdiff1d(np.flatnonzero(peaks >= np.float32(core)), agreed.numbers)
    for looks in (agreed, *(_Looks(tiles, first, network, part) for part in _parts(doubtful))):
        for count in _ROUNDS:
            looks.turn(looks.numbers, count)
        for number in looks.numbers:
            answer[number] = counted(looks.of(number), seed)
    return answer


def counted(looks: FloatArray, seed: float) -> FloatArray:
    """Count the votes.

    Parameters
    ----------
    looks : ndarray of float32, shape (8, ...)
        Probabilities in the eight orientations, turned back; the image's own first.
    seed : float
        As of `bac_imaging.vessels.demands.PostProcessing`.

    Returns
    -------
    ndarray of float32, shape (...)
        As `vote` returns it.
    """
    ordered = np.sort(looks, axis=0)
    outline = ordered[-OUTLINE_VOTES]
    agreed = np.minimum(ordered[-FIND_VOTES], looks[0]) >= np.float32(seed)
    return np.where(agreed, outline, np.minimum(outline, below(seed)))


def below(seed: float) -> np.float32:
    """Return the largest probability that a pixel gets that is not to reach the seed."""
    return np.float32(seed - _MARGIN)


class _Looks:
    """What the network said of some tiles so far.

    Parameters
    ----------
    tiles, first : ndarray of float32, shape (n, 1, h, h)
        All tiles of the image, and what the network said of them.
    network : callable
        From tiles to probabilities.
    numbers : ndarray of int
        Of the tiles that are to be looked at again.
    """

    def __init__(self, tiles: FloatArray, first: FloatArray, network: Network, numbers: IntArray) -> None:
        self.numbers = numbers
        self._tiles = tiles
        self._network = network
        self._maps = {number: [first[number]] for number in numbers.tolist()}

    def of(self, number: int) -> FloatArray:
        """Return the looks at a tile so far, shape (looks, 1, h, h), turned back."""
        return np.stack(self._maps[number])

    def turn(self, numbers: IntArray, count: int) -> None:
        """Look at some of the tiles until each has so many looks, the first among them."""
        missing = [
            (number, turn) for number in numbers.tolist() for turn in range(len(self._maps[number]), count)
        ]
        if not missing:
            return
        sent = np.stack([_turned(self._tiles[number], turn) for number, turn in missing])
        for (number, turn), answer in zip(missing, self._network(sent), strict=True):
            self._maps[number].append(np.ascontiguousarray(_turned_back(answer, turn)))


def _agreeing(
    tiles: FloatArray, first: FloatArray, network: Network, numbers: IntArray, seed: float
) -> _Looks | None:
    """Return the looks at these tiles if enough orientations reach the seed at one pixel of them."""
    looks = _Looks(tiles, first, network, numbers)
    hopeful = numbers
    for count in _ROUNDS:
        looks.turn(hopeful, count)
        needed = FIND_VOTES - (ORIENTATIONS - count)
        hopeful = np.array([n for n in hopeful if _most_votes(looks.of(n), seed) >= needed], np.intp)
    return looks if len(hopeful) else None


def _most_votes(looks: FloatArray, seed: float) -> int:
    """Return how many looks at most reach the seed at a pixel where the first does."""
    reached = looks >= np.float32(seed)
    return int((reached.sum(axis=0) * reached[0]).max())


def _turned(tile: FloatArray, turn: int) -> FloatArray:
    """Turn a tile, shape (1, h, h): bit 0 mirrors columns, bit 1 rows, bit 2 then exchanges the two."""
    tile = tile[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]
    return tile.swapaxes(1, 2) if turn & 4 else tile


def _turned_back(tile: FloatArray, turn: int) -> FloatArray:
    """Undo `_turned`."""
    tile = tile.swapaxes(1, 2) if turn & 4 else tile
    return tile[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def _parts(numbers: IntArray) -> Iterator[IntArray]:
    for start in range(0, len(numbers), _TILES):
        yield numbers[start : start + _TILES]
