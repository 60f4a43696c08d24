"""What libjpeg remarks on a lossy JPEG, which Pillow does not pass on.

On damaged data libjpeg goes on with grey blocks or with what came before, and only warns.
"""

from __future__ import annotations

from bac_terms.errors import FailedError, RefusedError

_SCAN = b"\xff\xda"
_MOST_SCANS = 100  # a progressive JPEG has about ten; each is a pass over all pixels


def check_jpeg(stream: bytes) -> None:
    """Decode once more, strictly.

    Parameters
    ----------
    stream : bytes
        A JPEG of 8 bits a sample, of a size that was judged before.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED`` where libjpeg misses the end.
    FailedError
        ``BAC-DECODE-FAILED`` where it warns of anything else, ``BAC-CODEC-MISSING``.
    """
    try:
        import simplejpeg  # an extra, as all decoders but Pillow
    except ImportError:
        raise FailedError(
            "BAC-CODEC-MISSING", "what checks a JPEG for damage is not installed (simplejpeg)"
        ) from None
    if stream.count(_SCAN) > _MOST_SCANS:
        raise FailedError("BAC-DECODE-FAILED", "the JPEG has more scans than any image")
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(stream)
        simplejpeg.decode_jpeg(stream, "GRAY" if colours == "Gray" else "RGB")
    except ValueError as error:
        if "Premature end of JPEG" in str(error):
            raise RefusedError("BAC-FILE-TRUNCATED") from None
        raise FailedError("BAC-DECODE-FAILED", "the compressed pixels are damaged") from None
