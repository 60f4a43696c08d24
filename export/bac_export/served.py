"""The network of a running server as an engine, so that what is served can be held against its file."""

from __future__ import annotations

from pathlib import Path

from bac_export.errors import ExportError
from bac_export.graph import INPUT, OUTPUT
from bac_export.parity import SERVED, Engine, FloatArray, Parity, phantom_cases
from bac_export.precision import PLAIN
from bac_export.votes_export import read_card, voted_reference

__all__ = ["served_engine", "verify"]

_MODEL = "bac_segment"
_TIMEOUT_S = 120.0


def verify(url: str, version_folder: Path, cases: tuple[int, ...]) -> Parity:
    """Compare the segmentation step of a server with the ONNX file that it is said to serve, votes counted.

    The parity is within `bac_export.parity.SERVED`.

    Raises
    ------
    ExportError
        When the server does not answer, or not as the file does.
    """
    card = read_card(version_folder)
    reference = voted_reference(
        version_folder / PLAIN, phantom_cases(cases), card["threshold"], card.get("post_processing", {})
    )
    found = reference.compare(served_engine(url))
    found.require(f"{_MODEL} at {url}", SERVED)
    return found


def served_engine(url: str) -> Engine:
    """Return a function that runs tiles on the segmentation step of a server.

    Parameters
    ----------
    url : str
        ``host:port`` of the server's gRPC.
    """
    from tritonclient import grpc
    from tritonclient.utils import InferenceServerException

    client = grpc.InferenceServerClient(url)

    def run(tiles: FloatArray) -> FloatArray:
        sent = grpc.InferInput(INPUT, list(tiles.shape), "FP32")
        sent.set_data_from_numpy(tiles)
        try:
            answer = client.infer(_MODEL, [sent], client_timeout=_TIMEOUT_S)
        except InferenceServerException as error:
            raise ExportError(
                f"{_MODEL} at {url} does not answer: {' '.join(str(error.message()).split())}"
            ) from None
        probability: FloatArray = answer.as_numpy(OUTPUT)
        return probability

    return run
