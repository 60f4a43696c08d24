"""Requests to Triton and its answers as KServe messages, without anything being sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from bac_imaging.mask_bits import unpack_mask
from bac_terms.errors import BacctlError, from_catalogue
from bac_terms.json_text import parse_json
from bacctl._claim import BINDING, DENSITY, Claim
from bacctl.client.transports.transport import Answer
from bacctl.results import SCHEMA
from bacctl.server.repository import ENSEMBLE

_ALWAYS = ("REPORT", "MASK")


def infer_request(
    data: bytes,
    options: Mapping[str, Any] | None,
    claim: Claim | None = None,
    *,
    with_density: bool = True,
) -> Any:
    """Write the request for one image.

    Parameters
    ----------
    data : bytes
        The file.
    options : mapping or None
        Sent as OPTIONS.
    claim : Claim, optional
        Sent with them, for the answer to be known by.
    with_density : bool, optional
        False asks for the other outputs alone, so that the server makes and sends no density.

    Returns
    -------
    ModelInferRequest
    """
    from tritonclient.grpc.service_pb2 import ModelInferRequest

    request = ModelInferRequest(model_name=ENSEMBLE)
    tensors = {"DICOM": data}
    if claim is not None:
        options = claim.options(options)
    if options is not None:
        tensors["OPTIONS"] = json.dumps(options).encode()
    for name, content in tensors.items():
        request.inputs.add(name=name, datatype="UINT8", shape=[len(content)])
        request.raw_input_contents.append(content)
    for name in _asked(with_density):
        request.outputs.add(name=name)
    if not with_density:
        # Triton leaves the output out, but does not tell the step that makes it. Older servers know neither.
        request.parameters[DENSITY].bool_param = False
    return request


def read_answer(response: Any, claim: Claim | None = None, *, with_density: bool = True) -> Answer:
    """Take the answer apart, and trust no size: Triton 2.51 under NumPy 2 sends right shapes of nothing.

    Parameters
    ----------
    response : ModelInferResponse
        What came back.
    claim : Claim, optional
        What was sent with the request, which the answer has to repeat.
    with_density : bool, optional
        Whether the density was asked for.

    Returns
    -------
    Answer

    Raises
    ------
    IncompatibleServerError
        It is the answer of another kind of model, follows another schema, or does not say whose it is.
    ServerFaultError
        Something is missing from it, or it is the answer to another request (BAC-SERVER-MIXED-UP).
    """
    names = [output.name for output in response.outputs]
    asked = _asked(with_density)
    if not set(asked) <= set(names):
        raise incompatible("the model bac of this server gives other outputs")
    if len(response.raw_output_contents) != len(names):
        raise _unreadable()
    raw = dict(zip(names, response.raw_output_contents, strict=True))
    shapes = {output.name: tuple(output.shape) for output in response.outputs}
    try:
        report = parse_json(raw["REPORT"])
    except ValueError:
        raise _unreadable() from None
    if not isinstance(report, dict) or report.get("schema", SCHEMA) != SCHEMA:
        raise incompatible(f"the server does not report by {SCHEMA}, the schema of this client")
    if claim is not None:
        claim.check(report, {name: raw[name] for name in asked})
    try:
        shape = (int(report["rows"]), int(report["columns"]))
        density = None
        if with_density:
            density = np.frombuffer(raw["DENSITY"], "<f4").reshape(shapes["DENSITY"])
            if density.shape not in (shape, (0, 0)):
                raise ValueError
        mask = unpack_mask(raw["MASK"], shape)
    except (KeyError, TypeError, ValueError, OverflowError):  # JSON's 1e999 is no whole number
        raise _unreadable() from None
    # Said of this one request, and no part of the result.
    report = {name: value for name, value in report.items() if name != BINDING}
    return Answer(report, mask, None if density is None or not density.size else density)


def _asked(with_density: bool) -> tuple[str, ...]:
    return (*_ALWAYS, "DENSITY") if with_density else _ALWAYS


def incompatible(found: str) -> BacctlError:
    """Say what the server does not have in common with this client."""
    return from_catalogue("BAC-SERVER-INCOMPATIBLE", found)


def _unreadable() -> BacctlError:
    return from_catalogue(
        "BAC-SERVER-FAULT",
        "the server sent an empty or unreadable answer; its models need NumPy below 2, which "
        "`bacctl doctor` checks",
    )
