"""Faults of servers and networks, each as one of our errors."""

import pytest

from bac_terms import errors
from bacctl._error_text import from_text, to_text
from bacctl.client.retry import can_help
from bacctl.client.transports._faults import translated

CONNECTING = "failed to connect to all addresses; last error: "


# What Triton 2.51 says where /dev/shm is full.
NO_SHARED_MEMORY = (
    "in ensemble 'bac', Failed to increase the shared memory pool size for key 'bacctl_3532_77d78ad5_"
    "7937c605-3557-4a65-9a54-d67252fb50b4' to 68157440 bytes. If you are running Triton inside docker, use "
    "'--shm-size' flag to control the shared memory region size. Error: No space left on device"
)


def test_too_little_shared_memory_says_what_to_do():
    error = translated("INTERNAL", NO_SHARED_MEMORY, "host:1")
    assert (error.code, error.triton_status) == ("BAC-SERVER-FAULT", "INTERNAL")
    assert "/dev/shm" in error.reason
    assert "--shm-size=2g" in error.hint
    assert "try again" not in str(error)
    assert not can_help(error)


def test_a_long_text_of_the_server_is_quoted_up_to_its_advice():
    text = "in ensemble 'bac', " + "Failed to process the request. " * 7 + "Use '--that-flag'."
    assert "Use '--that-flag'." in str(translated("INTERNAL", text, "host:1"))
    assert str(translated("INTERNAL", text * 2, "host:1")).count("…") == 1


def test_paths_of_the_server_are_not_quoted():
    text = (
        "in ensemble 'bac', KeyError: x At: /srv/clinic/models/bac/1/model.py(12): execute /opt/t.so a/b 1/2"
    )
    said = str(translated("INTERNAL", text, "host:1"))
    assert "At: …/model.py(12): execute …/t.so a/b 1/2" in said
    assert "clinic" not in said


@pytest.mark.parametrize(
    ("status", "message", "kind", "code", "again"),
    [
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-SPACING-MISSING: no spacing; give it",
            errors.RefusedError,
            "BAC-SPACING-MISSING",
            False,
        ),
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-CODEC-MISSING: no codec; install it",
            errors.FailedError,
            "BAC-CODEC-MISSING",
            False,
        ),
        ("INVALID_ARGUMENT", "BAC-INVENTED-LATER: new; do", errors.FailedError, "BAC-INVENTED-LATER", False),
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-SERVER-MIXED-UP: x; y",
            errors.ServerFaultError,
            "BAC-SERVER-MIXED-UP",
            True,
        ),
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-OPTIONS-INVALID: unknown option 'sha256', 'tag'; send JSON",
            errors.RefusedError,
            "BAC-OPTIONS-INVALID",
            False,
        ),
        ("INTERNAL", "in ensemble 'bac', BAC-INTERNAL: x; y", errors.ServerFaultError, "BAC-INTERNAL", False),
        ("INVALID_ARGUMENT", "unexpected shape", errors.ServerFaultError, "BAC-SERVER-FAULT", False),
        (
            "UNAVAILABLE",
            "This protocol is restricted, expecting header 'triton-grpc-protocol-bacctl'",
            errors.PermissionDeniedError,
            "BAC-SERVER-PERMISSION",
            False,
        ),
        ("UNAUTHENTICATED", "who", errors.PermissionDeniedError, "BAC-SERVER-PERMISSION", False),
        ("PERMISSION_DENIED", "not you", errors.PermissionDeniedError, "BAC-SERVER-PERMISSION", False),
        (
            "UNAVAILABLE",
            CONNECTING + "UNKNOWN: ipv4:127.0.0.1:1: Connection refused",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        (
            "UNAVAILABLE",
            "recvmsg:Connection reset by peer",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        (
            "UNKNOWN",
            "Stream removed (Data frame with END_STREAM flag received)",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        (
            "UNAVAILABLE",
            "Request for unknown model: 'bac' has no available versions",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        (  # Triton 2.51 while it is being stopped
            "NOT_FOUND",
            "Request for unknown model: 'bac' has no available versions",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        (
            "NOT_FOUND",
            "Request for unknown model: 'bac' is not found",
            errors.IncompatibleServerError,
            "BAC-SERVER-INCOMPATIBLE",
            False,
        ),
        (
            "UNIMPLEMENTED",
            "Method not found!",
            errors.IncompatibleServerError,
            "BAC-SERVER-INCOMPATIBLE",
            False,
        ),
        (
            "UNAVAILABLE",
            CONNECTING
            + "INTERNAL: ipv4:127.0.0.1:1: Failed parsing HTTP/2 (Expected SETTINGS frame as the first",
            errors.IncompatibleServerError,
            "BAC-SERVER-INCOMPATIBLE",
            False,
        ),
        (
            "INTERNAL",
            "Exception deserializing response!",
            errors.IncompatibleServerError,
            "BAC-SERVER-INCOMPATIBLE",
            False,
        ),
        (
            "UNAVAILABLE",
            "Exceeds maximum queue size",
            errors.ServerOverloadedError,
            "BAC-SERVER-OVERLOADED",
            True,
        ),
        ("RESOURCE_EXHAUSTED", "memory", errors.ServerOverloadedError, "BAC-SERVER-OVERLOADED", True),
        (
            "RESOURCE_EXHAUSTED",
            "CLIENT: Sent message larger than max (5 vs. 4)",
            errors.RefusedError,
            "BAC-FILE-TOO-LARGE",
            False,
        ),
        (
            "UNKNOWN",
            "Received http2 header with status: 413",
            errors.RefusedError,
            "BAC-FILE-TOO-LARGE",
            False,
        ),
        (
            "UNAVAILABLE",
            "Received http2 header with status: 503",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
            True,
        ),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", errors.ServerTimeoutError, "BAC-SERVER-TIMEOUT", False),
        (
            "INTERNAL",
            "in ensemble 'bac', Stub process 'bac_segment_0_0' is not healthy.",
            errors.ModelDiedError,
            "BAC-SERVER-FAULT",
            True,
        ),
        ("UNKNOWN", "x\n" * 500, errors.ServerFaultError, "BAC-SERVER-FAULT", False),
    ],
)
def test_fault_becomes_error(status, message, kind, code, again):
    error = translated(status, message, "host:1")
    assert type(error) is kind
    assert (error.code, error.triton_status) == (code, status)
    assert can_help(error) is again
    assert "\n" not in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "message",
    [  # as gRPC 1.85 and 1.62 word it
        "errors resolving host:1: [field:hostname lookup error:address lookup failed for host:1: "
        "Domain name not found]",
        "DNS resolution failed for host:1: C-ares status is not ARES_SUCCESS qtype=A name=host: "
        "Domain name not found",
    ],
)
def test_a_name_that_nobody_knows_is_no_broken_connection(message):
    error = translated("UNAVAILABLE", message, "host:1")
    assert type(error) is errors.ServerUnavailableError
    assert error.message == "no server at host:1: its name could not be resolved"
    assert can_help(error)  # names come and go with the pods of a cluster


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: WRONG_VERSION_NUMBER", "speaks no TLS"),
        ("Tls handshake failed: CERTIFICATE_VERIFY_FAILED: self signed", "is not of the given authority"),
        ("Custom verification check failed: Hostname Verification Check failed.", "is for another name"),
    ],
)
def test_what_tls_cannot_agree_on(message, found):
    error = translated("UNAVAILABLE", CONNECTING + message, "host:1", tls=True)
    assert type(error) is errors.TlsError
    assert found in error.message
    assert not can_help(error)


def test_error_says_what_is_wrong_and_what_to_do():
    error = errors.from_catalogue("BAC-SERVER-OVERLOADED")
    assert error.message == "the server has no room for another request"
    assert error.hint == "try again later or with fewer at a time"
    assert error.reason == f"{error.message}; {error.hint}"
    # Advice of its own, and none at all.
    assert errors.unavailable("port 5 is in use", "choose another").hint == "choose another"
    later = errors.FailedError("BAC-INVENTED-LATER", "plain", "")
    assert (later.message, later.hint, later.reason) == ("plain", "", "plain")
    # A hint that itself has parts.
    assert errors.from_catalogue("BAC-COMPARE-PATIENT").hint.startswith("give exams of one woman; if she")


REFUSAL = "in ensemble 'bac', BAC-VIEW-SPOT: a spot view; send another [request {}]"


def test_refusal_of_this_request():
    error = translated("INVALID_ARGUMENT", REFUSAL.format("mine"), "u", tag="mine")
    assert (error.code, error.reason) == ("BAC-VIEW-SPOT", "a spot view; send another")


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        ("BAC-VIEW-SPOT: a spot view; send another", "BAC-VIEW-SPOT", "a spot view", "send another"),
        ("BAC-INVENTED-LATER: new", "BAC-INVENTED-LATER", "new", ""),
        # What the catalogue advises may itself have parts.
        (
            str(errors.from_catalogue("BAC-COMPARE-PATIENT", "a; b")),
            "BAC-COMPARE-PATIENT",
            "a; b",
            errors.from_catalogue("BAC-COMPARE-PATIENT").hint,
        ),
    ],
)
def test_an_error_comes_back_as_it_was_written(text, code, message, hint):
    error, tag = from_text(f"in ensemble 'bac', {text} [request t-1]")
    assert (error.code, error.message, error.hint, tag) == (code, message, hint, "t-1")
    assert to_text(error, "t-1") == f"{text} [request t-1]"
    assert from_text(text)[1] is None


@pytest.mark.parametrize("text", ["", "no code", "BAC-W-LOSSY: a; b", "BAC-CLIENT-CLOSED: a; b"])
def test_what_no_server_has_to_say_is_no_error_of_ours(text):
    assert from_text(text) == (None, None)


def test_a_server_that_does_not_know_of_tags():
    text = "in ensemble 'bac', BAC-OPTIONS-INVALID: unknown option 'sha256', 'tag'; send JSON"
    error = translated("INVALID_ARGUMENT", text, "host:1", tag="mine")
    assert (type(error), error.code) == (errors.IncompatibleServerError, "BAC-SERVER-INCOMPATIBLE")
    known = translated("INVALID_ARGUMENT", f"{text} [request mine]", "host:1", tag="mine")
    assert known.code == "BAC-OPTIONS-INVALID"


def test_refusal_of_another_request_is_none_of_this_image():
    error = translated("INVALID_ARGUMENT", REFUSAL.format("other"), "u", tag="mine")
    assert error.code == "BAC-SERVER-MIXED-UP"
    assert can_help(error)


def test_when_to_come_back_is_part_of_an_errors_text():
    error = errors.from_catalogue("BAC-SERVER-OVERLOADED")
    error.retry_after_s = 11.2
    text = to_text(error, "t-1")
    assert text.endswith("; try again later or with fewer at a time [retry after 12 s] [request t-1]")
    read, tag = from_text(f"in ensemble 'bac', {text}")
    assert (read.code, read.reason, read.retry_after_s, tag) == (error.code, error.reason, 12.0, "t-1")
    assert from_text(to_text(error, None))[0].retry_after_s == 12.0
    # Of an image that will never be measured it says nothing.
    refusal, _ = from_text("BAC-VIEW-SPOT: a; b [retry after 3 s]")
    assert (refusal.reason, hasattr(refusal, "retry_after_s")) == ("a; b", False)
