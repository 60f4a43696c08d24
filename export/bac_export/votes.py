"""The network that looks at each tile in all eight orientations of a square and lets the answers vote.

TensorRT and Triton's ONNX Runtime run a graph and no code of ours, so that for them the graph itself has to
vote. It is put together from the graph of one look, which stays as it is: the same nodes eight times on the
same weights, one orientation after the other, and what counts the votes. It needs `onnx` alone and takes a
network in any precision. Configurations with a Python of their own call `bac_imaging.vessels.votes.vote` and
look again only where there may be a find; what is found is the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bac_export.errors import ExportError
from bac_export.graph import CHECKSUM, INPUT, OUTPUT, add_checksum, nodes_before
from bac_export.precision import FLOAT32_SHA256, PLAIN
from bac_imaging.files import digest_of
from bac_imaging.grid.tiles import TILE_PX
from bac_imaging.vessels.votes import FIND_VOTES, ORIENTATIONS, OUTLINE_VOTES, below

__all__ = ["add_votes", "require_own"]

_ABOUT = "bacctl.votes"
_ROWS, _COLUMNS = 2, 3


class _Nodes:
    """Nodes that are being put together, and their constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node and return the name of what it gives, which is the node's too."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Add a constant, once, and return its name."""
        name = f"votes_{name}"
        self.constants[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name

    def mirror(self, tensor: str, axis: int, name: str) -> str:
        """Mirror rows or columns."""
        last, step = self.constant("last", [-1], np.int64), self.constant("step", [-1], np.int64)
        # One before the first: counted from the end, since -1 itself would be the last.
        end = self.constant("end", [-TILE_PX - 1], np.int64)
        along = self.constant(f"axis_{axis}", [axis], np.int64)
        return self.add("Slice", [tensor, last, end, along, step], name)

    def exchange(self, tensor: str, name: str) -> str:
        """Exchange rows and columns."""
        return self.add("Transpose", [tensor], name, perm=[0, 1, 3, 2])


def add_votes(source: Path, target: Path, core: float, seed: float) -> None:
    """Write the network that votes, with the input and the outputs of the network that looks once.

    Parameters
    ----------
    source : Path
        ONNX file of one look, in any precision.
    target : Path
        Where to.
    core, seed : float
        As of `bac_imaging.vessels.demands.PostProcessing`. A tile whose own look stays below the core is
        answered with that look. Elsewhere a pixel gets what `OUTLINE_VOTES` looks say at least, and reaches
        the seed only where the own look and `FIND_VOTES` in all do.
    """
    model = onnx.load(source)
    graph = model.graph
    network = nodes_before(graph.node, [OUTPUT])
    made = _Nodes()
    limit = made.constant("seed", seed, np.float32)
    largest: list[str] = []
    count = own = ""
    for number in range(ORIENTATIONS):
        look = _look(made, network, number)
        reached = made.add("GreaterOrEqual", [look, limit], f"look{number}_reached")
        voice = made.add("Cast", [reached], f"look{number}_voice", to=TensorProto.FLOAT)
        count = made.add("Add", [count, voice], f"look{number}_count") if number else voice
        own = own or reached
        _keep_largest(made, largest, look, number)
    outline = largest[-1]
    needed = made.constant("find", FIND_VOTES, np.float32)
    enough = made.add("GreaterOrEqual", [count, needed], "votes_enough")
    agreed = made.add("And", [enough, own], "votes_agreed")
    highest = made.constant("below", below(seed), np.float32)
    capped = made.add("Min", [outline, highest], "votes_capped")
    voted = made.add("Where", [agreed, outline, capped], "votes_voted")
    axes = made.constant("axes", [1, 2, 3], np.int64)
    first = _name(0, OUTPUT)
    peak = made.add("ReduceMax", [first, axes], "votes_peak", keepdims=1)
    again = made.add("GreaterOrEqual", [peak, made.constant("core", core, np.float32)], "votes_again")
    made.add("Where", [again, voted, first], OUTPUT)

    used = {name for node in network for name in node.input}
    weights = [value for value in graph.initializer if value.name in used]
    outputs = [value for value in graph.output if value.name != CHECKSUM]
    for part, content in (
        (graph.node, made.nodes),
        (graph.initializer, [*weights, *made.constants.values()]),
        (graph.output, outputs),
        (graph.value_info, []),
    ):
        del part[:]
        part.extend(content)
    said = {entry.key: entry.value for entry in model.metadata_props}
    about = {
        "orientations": ORIENTATIONS,
        "outline": OUTLINE_VOTES,
        "find": FIND_VOTES,
        "core": core,
        "seed": seed,
        "of_sha256": said.get(FLOAT32_SHA256, digest_of(source)),
    }
    helper.set_model_props(model, {**said, _ABOUT: json.dumps(about)})
    onnx.save(model, target)
    add_checksum(target)


def _name(number: int, tensor: str) -> str:
    return f"look{number}_{tensor}"


def _look(made: _Nodes, network: Sequence[Any], number: int) -> str:
    """Add one look and return its answer, turned back.

    Bit 0 of `number` mirrors the columns, bit 1 the rows, bit 2 then exchanges the two.
    """
    sent = INPUT
    for bit, axis in ((1, _COLUMNS), (2, _ROWS)):
        if number & bit:
            sent = made.mirror(sent, axis, _name(number, f"mirrored_{axis}"))
    if number & 4:
        sent = made.exchange(sent, _name(number, "exchanged"))
    inner = {name: _name(number, name) for node in network for name in node.output}
    inner[INPUT] = sent
    for node in network:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        copied.name = _name(number, node.name)
        copied.input[:] = [inner.get(name, name) for name in node.input]
        copied.output[:] = [inner[name] for name in node.output]
        made.nodes.append(copied)
    answer = inner[OUTPUT]
    if number & 4:
        answer = made.exchange(answer, _name(number, "exchanged_back"))
    for bit, axis in ((2, _ROWS), (1, _COLUMNS)):
        if number & bit:
            answer = made.mirror(answer, axis, _name(number, f"mirrored_back_{axis}"))
    return answer


def _keep_largest(made: _Nodes, largest: list[str], look: str, number: int) -> None:
    """Put a look among the largest so far, in order: no more than these are kept beside one look."""
    for place, kept in enumerate(largest):
        largest[place] = made.add("Max", [kept, look], f"look{number}_larger_{place}")
        # What is smaller than the last of them is of no use.
        if place < OUTLINE_VOTES - 1:
            look = made.add("Min", [kept, look], f"look{number}_smaller_{place}")
    if len(largest) < OUTLINE_VOTES:
        largest.append(look)


def require_own(voted: Path, weights_sha256: str) -> None:
    """Refuse a file that votes on the looks of another network.

    Parameters
    ----------
    voted : Path
        File of `add_votes`, or what was made of it.
    weights_sha256 : str
        Digest of ``model.onnx``.

    Raises
    ------
    ExportError
        It is of other weights, or no such file.
    """
    said = {entry.key: entry.value for entry in onnx.load(voted).metadata_props}
    if json.loads(said.get(_ABOUT, "{}")).get("of_sha256") != weights_sha256:
        raise ExportError(f"{voted} is not of the {PLAIN} beside it; run `bacctl export votes`")
