"""What the network finds has to be found in other orientations too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from bac_imaging.vessels.votes import vote

FloatArray = npt.NDArray[np.float32]

SIDE = 6
CORE, SEED = 0.7, 0.9975
BELOW = np.float32(0.9974)  # a ten-thousandth less
PIXEL = (2, 4)  # on no axis of symmetry: turned, it lies elsewhere


def tile_of(number: int) -> FloatArray:
    """A tile that looks different in each orientation and beside other tiles."""
    return np.arange(SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE) + 1000 * number


def symmetries(square: FloatArray) -> list[FloatArray]:
    """The eight orientations of a square, itself first."""
    turns = [np.rot90(square, quarters) for quarters in range(4)]
    return [*turns, *(turn.T for turn in turns)]


class Network:
    """Says of each tile, by its orientation, what it is told to; keeps what it was sent."""

    def __init__(self, said: Sequence[Sequence[FloatArray]]) -> None:
        self.sent: list[int] = []
        self._known = {}
        for number, answers in enumerate(said):
            seen = symmetries(tile_of(number)[0])
            for index, (look, answer) in enumerate(zip(seen, answers, strict=True)):
                self._known[look.tobytes()] = symmetries(answer)[index]

    def __call__(self, tiles: FloatArray) -> FloatArray:
        self.sent.append(len(tiles))
        return np.stack([self._known[tile.tobytes()][None] for tile in tiles[:, 0]])


def with_pixel(values: Sequence[float]) -> list[FloatArray]:
    """Eight answers that are 0 but for one pixel of the image."""
    answers = []
    for value in values:
        answer = np.zeros((SIDE, SIDE), np.float32)
        answer[PIXEL] = value
        answers.append(answer)
    return answers


def voted(*values: Sequence[float]) -> tuple[FloatArray, Network]:
    """Vote on as many tiles as there are rows of values for the pixel."""
    network = Network([with_pixel(row) for row in values])
    tiles = np.stack([tile_of(number) for number in range(len(values))])
    return vote(tiles, network, CORE, SEED)[:, 0, PIXEL[0], PIXEL[1]], network


SURE, NOTHING = 1.0, 0.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([SURE] * 8, SURE, id="all"),
        pytest.param([SURE] * 6 + [NOTHING] * 2, SURE, id="six with its own"),
        pytest.param([SURE] * 5 + [NOTHING] * 3, BELOW, id="five"),
        pytest.param([SURE, 0.3, 0.2, 0.1] + [NOTHING] * 4, BELOW, id="its own alone"),
        pytest.param([0.997] + [SURE] * 7, np.float32(0.997), id="all but its own, not sure"),
    ],
)
def test_a_find_needs_six_of_eight_and_its_own(values: list[float], expected: float) -> None:
    (found,), _ = voted(values)
    assert found == expected


def test_a_find_anywhere_lets_three_of_eight_outline_the_rest() -> None:
    """By hand: the third largest of what is said, in every tile with a pixel at the core."""
    doubtful = [0.9, 0.05, 0.8, 0.1, 0.2, 0.3, 0.6, 0.0]
    missed = [0.69, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]  # no pixel at the core: looked at once
    sure_of_itself = [SURE, 0.9, 0.8, 0.75, NOTHING, NOTHING, NOTHING, NOTHING]
    found, _ = voted([SURE] * 8, doubtful, missed, sure_of_itself)
    np.testing.assert_array_equal(found, np.float32([SURE, 0.6, 0.69, 0.8]))


def test_without_a_find_what_was_said_first_stays_below_the_seed() -> None:
    found, _ = voted([SURE] + [NOTHING] * 7, [0.9] * 8)
    np.testing.assert_array_equal(found, np.float32([BELOW, 0.9]))


def test_what_says_the_same_of_every_orientation_is_taken_at_its_word() -> None:
    """The network that answers with the tile itself turns with it: any fault in turning back would show."""
    tile = np.linspace(0.0, 1.0, SIDE * SIDE, dtype=np.float32).reshape(1, 1, SIDE, SIDE)
    np.testing.assert_array_equal(vote(tile, lambda tiles: tiles.copy(), CORE, SEED), tile)


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        pytest.param([[0.9] * 8] * 3, 3, id="nothing reaches the seed: once"),
        pytest.param([[SURE] + [NOTHING] * 7, [0.9] * 8], 1 + 3 + 1, id="alone with it: out after four"),
        pytest.param([[SURE] * 8, [0.9] * 8, [0.1] * 8], 8 + 8 + 1, id="a find: eight times at the core"),
    ],
)
def test_looks_no_more_often_than_it_has_to(values: list[list[float]], looks: int) -> None:
    _, network = voted(*values)
    assert sum(network.sent) == looks


def test_few_tiles_go_through_at_once() -> None:
    _, network = voted(*[[SURE] * 8] * 30)
    assert sum(network.sent) == 8 * 30
    assert max(network.sent[1:]) <= 24


def test_no_tiles_are_no_fault() -> None:
    nothing = np.zeros((0, 1, SIDE, SIDE), np.float32)
    assert vote(nothing, lambda tiles: tiles, CORE, SEED).shape == nothing.shape
