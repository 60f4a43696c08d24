"""Of what could not be done now, and of what the caller did wrong."""

from __future__ import annotations

from bac_terms.codes.entry import SEE_SERVER_LOG, CodeEntry, failed, refused, usage

RUNNING: dict[str, CodeEntry] = {
    # What could not be done now
    "BAC-CODEC-MISSING": failed(
        "no decoder for this compression is installed where the image is read",
        'install the decoders there with: pip install "bacctl[dicom]"',
    ),
    "BAC-CODEC-UNSUPPORTED": refused(
        "the pixels are compressed in a way that is not supported",
        "convert the file with `dcmdjpeg IN OUT` of DCMTK or `gdcmconv --raw IN OUT` of GDCM, and send "
        "what comes out",
    ),
    "BAC-DECODE-FAILED": failed(
        "the compressed pixels could not be decoded",
        "check the file with another viewer, or export it again without compression",
    ),
    "BAC-SERVER-UNAVAILABLE": failed(
        "the server could not be reached", "check its address and that `bacctl serve` is running"
    ),
    "BAC-SERVER-OVERLOADED": failed(
        "the server has no room for another request", "try again later or with fewer at a time"
    ),
    "BAC-SERVER-TIMEOUT": failed("the server did not answer in time", "try again or allow more time"),
    "BAC-SERVER-PERMISSION": failed(
        "the server does not allow this call", "check the credentials and the server's restrictions"
    ),
    "BAC-SERVER-TLS": failed(
        "the client and the server do not agree on TLS",
        "write grpcs:// before the address of a server with TLS (tls= in Python), and of no other",
    ),
    "BAC-SERVER-INCOMPATIBLE": failed(
        "what answers is no bacctl server of this release",
        "check the address, and run one release of bacctl on both sides",
    ),
    "BAC-SERVER-FAULT": failed("the server met an error of its own", SEE_SERVER_LOG),
    "BAC-SERVER-MIXED-UP": failed(
        "the server answered with the result of another image, which was thrown away",
        "try again; a server that bacctl does not look after itself has to be started again first",
    ),
    "BAC-SERVER-OTHER-WEIGHTS": failed(
        "a server measured with other weights than were asked for; the result was thrown away",
        "have all servers run one set of weights, or ask for those that they have, by --weights "
        "(weights= in Python)",
    ),
    "BAC-INTERNAL": failed("an error in bacctl itself", "please report it with this line"),
    # What the caller did wrong
    "BAC-CLIENT-OPTIONS": usage(
        "the client is set up in a way that cannot work", "correct the arguments of the client"
    ),
    "BAC-CLIENT-CLOSED": usage(
        "the client has been closed", "make another one, or close it after its last call"
    ),
    "BAC-CLIENT-LOOP": usage(
        "an AsyncClient works in one event loop, and was called in another",
        "make one AsyncClient in each event loop",
    ),
    "BAC-CLIENT-FORKED": usage(
        "the client was made in another process, and its connections do not survive a fork",
        "make the client in the process that uses it, and start processes with spawn",
    ),
}
