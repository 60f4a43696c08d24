"""What a view costs, step by step: measured by ``bacctl bench``, and on a card counted by Triton."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bacctl.bench.figures import Document, Figure, read_document

NETWORK = "bac_segment"
STEPS = ("bac_preprocess", "bac_segment", "bac_quantify")
_BESIDE = ("client", "tritonserver")
_WORDS = ("taking the input", "working", "giving the output")
_SPENT = ("compute_input", "compute_infer", "compute_output")  # not the queue


@dataclass(frozen=True)
class Step:
    """The mean view in one step.

    Attributes
    ----------
    core_s : float
        Processor time that it takes, in core seconds.
    alone_s : float
        How long it takes where nothing else runs, in seconds.
    """

    core_s: float
    alone_s: float

    @property
    def most_cores(self) -> float:
        """How many cores it can use at a time."""
        return self.core_s / self.alone_s if self.alone_s else 1.0


@dataclass(frozen=True)
class Times:
    """What a view costs.

    Attributes
    ----------
    client, preprocess, segment, quantify : Step
        The mean view in the client, with Triton's own part, and in the three steps.
    sizes : tuple of float
        Costs of single views in that of the mean view, from which views are drawn; all steps of a view share
        one. ``(1.0,)`` where all are alike.
    card_s : float or None
        How long the network takes for the mean view on a card, in seconds; None where it runs on the cores,
        as `segment` says.
    source : tuple of str
        Where all of this is from, for people: one statement each.
    """

    client: Step
    preprocess: Step
    segment: Step
    quantify: Step
    sizes: tuple[float, ...]
    card_s: float | None
    source: tuple[str, ...]

    @property
    def core_s(self) -> float:
        """Core seconds of a view, the client's included."""
        network = 0.0 if self.card_s is not None else self.segment.core_s
        return self.client.core_s + self.preprocess.core_s + network + self.quantify.core_s

    @property
    def alone_s(self) -> float:
        """How long a view takes alone, in seconds."""
        network = self.segment.alone_s if self.card_s is None else self.card_s
        return self.client.alone_s + self.preprocess.alone_s + network + self.quantify.alone_s

    def on_card(self, card_s: float, source: str) -> Times:
        """Return the same with the network on a card, for so many seconds a view."""
        return replace(self, card_s=card_s, source=(*self.source, source))


REFERENCE = Times(
    client=Step(0.070, 0.038),
    preprocess=Step(0.103, 0.100),
    segment=Step(0.156, 0.105),
    quantify=Step(0.066, 0.055),
    sizes=(1.064, 0.819, 1.149, 1.133, 0.856, 0.979, 0.856, 1.190),
    card_s=None,
    source=(
        "step times: measured, docs/performance.md, 2026-12-01, 2 cores of AMD EPYC, 8 raw phantom views of "
        "2394 x 1800 pixels; yours differ: measure with `bacctl bench` and give its bench.json with --times",
    ),
)
"""Processor time at 8 in flight, time alone at 1 in flight, costs of eight breasts."""


def read_times(text: str, name: str) -> Times:
    """Read what ``bacctl bench`` wrote; `name` is the file's, for people. Raises ValueError as `of_bench`."""
    return of_bench(read_document(text), name)


def of_bench(document: Document, name: str) -> Times:
    """Take the times of the first subject of a benchmark.

    Raises
    ------
    ValueError
        The part "served" was not measured.
    """
    subject = document.subjects[0].name
    figures = [figure for figure in document.figures if figure.subject == subject]
    alone_ms = {(f.name, f.at): f.spread.median for f in figures if f.part == "steps"}
    work = {(f.name, f.at): f.spread.median for f in figures if f.part == "processor"}
    loads = [at for at in dict.fromkeys(at for _, at in work) if at.removesuffix(" in flight").isdigit()]
    if not loads or any((step, "working") not in alone_ms for step in STEPS):
        raise ValueError("has no step times; run: bacctl bench --part served,cost")
    # Most in flight: what a step burns while it waits for the next image is then the least.
    at = max(loads, key=lambda words: int(words.split()[0]))

    def step(model: str) -> Step:
        return Step(work[model, at], sum(alone_ms.get((model, word), 0.0) for word in _WORDS) / 1e3)

    between_ms = alone_ms.get(("between and around the steps", ""), 0.0)
    return Times(
        client=Step(sum(work.get((role, at), 0.0) for role in _BESIDE), between_ms / 1e3),
        preprocess=step("bac_preprocess"),
        segment=step("bac_segment"),
        quantify=step("bac_quantify"),
        sizes=_sizes(figures),
        card_s=None,
        source=(
            f"step times: measured, {name}, {document.date[:10]}, {document.machine.cores} cores of "
            f"{document.machine.cpu}, load before the start {document.machine.load:g}; processor time with "
            f"{at}",
        ),
    )


def _sizes(figures: Iterable[Figure]) -> tuple[float, ...]:
    costs = [f.spread.median for f in figures if (f.part, f.name) == ("cost", "breasts")]
    return relative(costs) if costs else (1.0,)


def relative(costs: Sequence[float]) -> tuple[float, ...]:
    """Return costs in that of their mean."""
    mean = statistics.fmean(costs)
    return tuple(cost / mean for cost in costs)


def read_card_s(text: str) -> float:
    """Read how long a card takes for the network of a view, from Triton's statistics.

    Of batches, and not of requests: where several images share one, each request is told the whole of it.

    Parameters
    ----------
    text : str
        JSON, as ``/v2/models/stats`` gives it.

    Returns
    -------
    float
        Seconds, with copies to and from the card.

    Raises
    ------
    ValueError
        There are no statistics of ``bac_segment`` there, or it has measured nothing yet.
    """
    try:
        models = json.loads(text)["model_stats"]
        found = next(model for model in models if model["name"] == NETWORK)
        views = int(found["inference_stats"]["success"]["count"])
        spent_ns = sum(int(batch[kind].get("ns", 0)) for batch in found["batch_stats"] for kind in _SPENT)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise ValueError(f"has no statistics of {NETWORK}; get them from /v2/models/stats") from None
    if views < 1 or spent_ns < 1:
        raise ValueError(f"{NETWORK} has measured nothing yet; send some images first")
    return spent_ns / views / 1e9
