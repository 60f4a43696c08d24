"""What the three Python models of the ensemble share. Runs inside Triton's Python stub.

The stub's helper module exists only there, so that it is handed in (``pb_utils``) and this module can be
tested without a server.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bac_terms.errors import BacctlError, RefusedError, ServerOverloadedError, from_catalogue, internal
from bacctl._claim import DENSITY, MIXED_UP
from bacctl._error_text import to_text

if TYPE_CHECKING:
    from bac_imaging.vessels.demands import PostProcessing
    from bac_imaging.vessels.probability import ProbabilityMap

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ModelCard:
    """What the server needs to know about the weights.

    Attributes
    ----------
    sha256 : str
        Digest of ``model.onnx``.
    threshold : float
        Probability from which on a pixel beside a vessel's core counts as calcified artery.
    post_processing : mapping of str to float
        Fields of `bac_imaging.vessels.demands.PostProcessing` that were chosen with it; what is left out has
        the pipeline's default.
    probability_map : mapping or None
        What makes probabilities of scores, as `bac_imaging.vessels.probability.ProbabilityMap` writes it.
    """

    sha256: str
    threshold: float
    post_processing: Mapping[str, float] = field(default_factory=dict)
    probability_map: Mapping[str, Any] | None = None

    def fitted(self) -> ProbabilityMap | None:
        """Return the map from scores to probabilities; None where the card has none.

        Raises
        ------
        ValueError
            What stands there is none that this version of the pipeline knows.
        """
        from bac_imaging.vessels.probability import ProbabilityMap

        if self.probability_map is None:
            return None
        try:
            return ProbabilityMap.from_dict(self.probability_map)
        except ValueError as error:
            raise ValueError(f"model_card.json: {error}; fit it again") from None

    def parameters(self) -> PostProcessing:
        """Return the post-processing as the pipeline takes it.

        Raises
        ------
        ValueError
            The card names something that this version of the pipeline does not know.
        """
        from bac_imaging.vessels.demands import PostProcessing  # the models before the last do without it

        # The outline is the card's threshold, and nothing else.
        known = {entry.name for entry in fields(PostProcessing)} - {"outline"}
        unknown = ", ".join(sorted(set(self.post_processing) - known))
        if unknown:
            raise ValueError(
                f"model_card.json: post_processing names {unknown}, which this version does not know; "
                "export the model again"
            )
        return PostProcessing.of(self.threshold, self.post_processing)


def read_model_card(folder: Path) -> ModelCard:
    """Read the card beside the weights and hold the weights against it.

    Parameters
    ----------
    folder : Path
        Version folder of the segmentation model, with ``model_card.json`` and ``model.onnx``.

    Returns
    -------
    ModelCard

    Raises
    ------
    ValueError
        The weights are not those that the card describes: its threshold and figures would be another
        network's. Or its post-processing is not made of numbers.
    """
    card = json.loads((folder / "model_card.json").read_text())
    digest = sha256((folder / "model.onnx").read_bytes()).hexdigest()
    if digest != card["sha256"]:
        raise ValueError(
            f"{folder / 'model.onnx'} does not match its model_card.json; export the model again"
        )
    chosen = card.get("post_processing", {})
    if not isinstance(chosen, dict) or not all(
        type(value) in (int, float) and math.isfinite(value) for value in chosen.values()
    ):
        raise ValueError(
            f"{folder / 'model_card.json'}: post_processing is not made of numbers; export the model again"
        )
    return ModelCard(digest, float(card["threshold"]), chosen, card.get("probability_map"))


def answer_each(
    pb_utils: Any,
    requests: Iterable[Any],
    answer: Callable[[Tensors], Tensors],
    not_measured: Callable[[Tensors, BacctlError], None],
) -> list[Any]:
    """Answer requests one by one, so that one bad image never spoils another's answer.

    Parameters
    ----------
    pb_utils : module
        ``triton_python_backend_utils``.
    requests : iterable of InferenceRequest
        As ``execute`` gets them.
    answer : callable
        From input arrays by name to output arrays by name. May raise.
    not_measured : callable
        Gets the inputs and the error of each request that was refused or failed.

    Returns
    -------
    list of InferenceResponse
        In the order of the requests. A refusal or failure with a code of the catalogue arrives as
        INVALID_ARGUMENT, ``"BAC-...: reason"``, followed by the caller's tag where it sent one, and as
        UNAVAILABLE where the server only has no room; anything else as INTERNAL, ``"BAC-INTERNAL: ..."``,
        its place in the code in the log.
    """
    responses = []
    for request in requests:
        inputs: Tensors = {}
        try:
            inputs = Given({tensor.name(): tensor.as_numpy() for tensor in request.inputs()})
            outputs = [pb_utils.Tensor(name, np.ascontiguousarray(a)) for name, a in answer(inputs).items()]
            responses.append(pb_utils.InferenceResponse(output_tensors=outputs))
        except BacctlError as error:
            not_measured(inputs, error)
            # What any client may well send again, as gRPC itself understands it.
            passing = isinstance(error, ServerOverloadedError)
            status = pb_utils.TritonError.UNAVAILABLE if passing else pb_utils.TritonError.INVALID_ARG
            refusal = pb_utils.TritonError(to_text(error, _tag_of(inputs)), status)
            responses.append(pb_utils.InferenceResponse(error=refusal))
        except Exception as error:
            # The message may quote the header, so only the kind and the place are logged.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            pb_utils.Logger.log_error(f"BAC-INTERNAL: {kind} at {frame.filename}:{frame.lineno}")
            not_measured(inputs, internal(error))
            fault = pb_utils.TritonError(str(internal(error)), pb_utils.TritonError.INTERNAL)
            responses.append(pb_utils.InferenceResponse(error=fault))
    return responses


def wants_density(request: Any) -> bool:
    """Tell whether the caller of the ensemble wants the density, which is larger than the image.

    An ensemble asks its steps for all of their outputs, whichever were asked of itself, but hands its
    request's parameters on. So who asks for fewer outputs says it in one too
    (`bacctl.client.transports.wire`).

    Parameters
    ----------
    request : InferenceRequest
        As ``execute`` gets it.

    Returns
    -------
    bool
        False only where the parameter ``density`` is false.
    """
    return json.loads(request.parameters() or "{}").get(DENSITY, True) is not False


def to_json(value: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Return the bytes of the JSON text, shape (n,); NaN and infinity are faults, not JSON."""
    return np.frombuffer(json.dumps(value, allow_nan=False).encode(), np.uint8)


def from_json(array: npt.NDArray[np.uint8] | None) -> dict[str, Any] | None:
    """Read what `to_json` wrote; None for an input that was not sent or is empty.

    Raises
    ------
    RefusedError
        BAC-OPTIONS-INVALID: it is no JSON object.
    """
    if array is None or array.size == 0:
        return None
    try:
        value = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        raise RefusedError("BAC-OPTIONS-INVALID") from None
    if not isinstance(value, dict):
        raise RefusedError("BAC-OPTIONS-INVALID")
    return value


class Given(dict[str, npt.NDArray[Any]]):
    """A request's tensors.

    Triton sees to it that all are there. After a step has stood still for some seconds it may yet hand over a
    request with those of another: the server mixes up images then.
    """

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        from bacctl.service.binding import Trust  # as below

        Trust().lose()
        raise from_catalogue(MIXED_UP)


def _tag_of(inputs: Tensors) -> str | None:
    """Return the tag of a request that is being refused, perhaps for what its options are."""
    from bacctl.service.binding import take_claim  # the network's step does without all that this brings

    try:
        return take_claim(from_json(inputs.get("OPTIONS")))[0].tag
    except RefusedError:
        return None
