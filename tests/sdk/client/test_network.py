"""Real connections to small servers on this machine: TLS, tokens, wrong servers, servers that come and go.

Each case is run with both clients, which must give the same errors.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import trustme

from bac_terms import errors
from bacctl import AsyncClient, Client, Tls
from bacctl.client.transports._look import look
from bacctl.client.transports.security import Security


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def ca_file(tmp_path, authority):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def tls_server(serve, server_certificate):
    return serve(credentials=grpc.ssl_server_credentials([server_certificate]))


@pytest.fixture
def own_certificate(tmp_path, authority):
    issued = authority.issue_cert("client@example.org")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(tmp_path / "certificate.pem"), append=True)
    return {"certificate": tmp_path / "certificate.pem", "key": tmp_path / "key.pem"}


def test_one_image(analyze, serve):
    result = analyze(serve())
    assert (result.status, result.weights_sha256) == ("ok", "ab" * 32)
    assert result.mask.shape == (480, 320)


def test_tls(analyze, tls_server, ca_file):
    assert analyze(tls_server, tls=Tls(ca=ca_file)).status == "ok"
    assert analyze(f"grpcs://{tls_server}", tls=Tls(ca=str(ca_file))).status == "ok"


def test_grpc_writes_nothing_of_its_own_beside_an_error(serve):
    program = (
        "import sys, bacctl\n"
        "try: bacctl.Client(sys.argv[1], max_retries=0).analyze(b'x')\n"
        "except bacctl.TlsError as error: print(error.code)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(  # a process that has not loaded gRPC yet
        [sys.executable, "-c", program, f"grpcs://{serve()}"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("BAC-SERVER-TLS\n", "")


def test_plain_client_tls_server(analyze, tls_server):
    with pytest.raises(errors.TlsError, match="speaks TLS and this client does not"):
        analyze(tls_server)


def test_tls_client_plain_server(analyze, serve, ca_file):
    with pytest.raises(errors.TlsError, match="speaks no TLS"):
        analyze(serve(), tls=Tls(ca=ca_file))


def test_certificate_of_another_authority(analyze, tls_server, tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(errors.TlsError, match="given authority"):
        analyze(tls_server, tls=Tls(ca=tmp_path / "other.pem"))
    with pytest.raises(errors.TlsError, match="given authority"):
        analyze(tls_server, tls=True)


def test_certificate_for_another_name(analyze, serve, authority, ca_file):
    issued = authority.issue_cert("gpu.example.org")
    pair = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
    url = serve(credentials=grpc.ssl_server_credentials([pair]))
    with pytest.raises(errors.TlsError, match="another name"):
        analyze(url, tls=Tls(ca=ca_file))
    assert analyze(url, tls=Tls(ca=ca_file, server_name="gpu.example.org")).status == "ok"


def test_client_certificate(analyze, serve, authority, server_certificate, ca_file, own_certificate):
    mutual = grpc.ssl_server_credentials([server_certificate], authority.cert_pem.bytes(), True)
    url = serve(credentials=mutual)
    assert analyze(url, tls=Tls(ca=ca_file, **own_certificate)).status == "ok"
    with pytest.raises(errors.TlsError):
        analyze(url, tls=Tls(ca=ca_file))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"ca": "none.pem"}, "none.pem"),
        ({"ca": "junk.pem"}, "junk.pem"),
        ({"certificate": "certificate.pem"}, "both"),
        ({"certificate": "junk.pem", "key": "key.pem"}, "junk.pem"),
        ({"certificate": "certificate.pem", "key": "junk.pem"}, "certificate.pem"),
    ],
)
@pytest.mark.usefixtures("own_certificate")
def test_files_that_are_no_certificates(tmp_path, wrong, found):
    (tmp_path / "junk.pem").write_text("junk")
    given = Tls(**{name: tmp_path / file for name, file in wrong.items()})
    with pytest.raises(errors.ClientUsageError, match=found):
        Client("localhost", tls=given)


def test_token(analyze, serve, triton_response):
    def infer(request, context):
        if dict(context.invocation_metadata()).get("authorization") != "Bearer right":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        return triton_response()

    url = serve(infer)
    assert analyze(url, token="right").status == "ok"
    with pytest.raises(errors.PermissionDeniedError) as caught:
        analyze(url, token="wrong")
    assert caught.value.triton_status == "UNAUTHENTICATED"


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_token_of_a_file_that_changes(client, serve, triton_response, tmp_path):
    sent = []

    def infer(request, context):
        sent.append(dict(context.invocation_metadata()).get("authorization"))
        return triton_response()

    url, file = serve(infer), tmp_path / "token"
    with pytest.raises(errors.ClientUsageError, match="holds no token"):
        client(url, token=file)
    held = ("first", "second\n", "", "third")  # empty: being written

    async def asynchronously():
        async with AsyncClient(url, token=file) as one:
            for text in held:
                file.write_text(text)
                await one.analyze(b"x")

    file.write_text("first")
    if client is AsyncClient:
        asyncio.run(asynchronously())
    else:
        with Client(url, token=file) as one:
            for text in held:
                file.write_text(text)
                one.analyze(b"x")
    assert sent == ["Bearer first", "Bearer second", "Bearer second", "Bearer third"]


def test_token_is_not_sent_in_the_clear():
    for make in (Client, AsyncClient):
        with pytest.raises(errors.ClientUsageError, match="not sent without TLS"):
            make("gpu-host:8001", token="secret")
        with pytest.raises(errors.ClientUsageError, match="not sent without TLS"):
            make(["localhost:8001", "gpu-host:8001"], token="secret")
        with pytest.raises(errors.ClientUsageError, match="not sent without TLS"):
            make("127.example.org:8001", token="secret")
        make(["127.0.0.2", "[::1]", "localhost"], token="secret")
        make("gpu-host:8001", token="secret", tls=True)
        make("grpcs://gpu-host:8001", token="secret")
        make("gpu-host:8001", token="secret", allow_plain_token=True)


@pytest.mark.parametrize("token", ["", "top\nsecret", " secret", "schlüssel"])
def test_token_that_cannot_be_sent(token):
    with pytest.raises(errors.ClientUsageError, match="token") as caught:
        Client("localhost", token=token)
    assert "secret" not in str(caught.value)


def test_token_and_key_show_nowhere(tls_server, ca_file, own_certificate):
    client = Client(tls_server, token="secret", tls=Tls(ca=ca_file, **own_certificate))
    client.analyze(b"x")
    security = client._transport._connections.security
    assert "secret" not in repr(vars(client._transport._connections)) + repr(security)
    assert "PRIVATE KEY" not in repr(security)
    client.close()


def test_tls_server_that_is_away_for_a_moment(analyze, ca_file):
    """A proxy takes the connection and lets it go: this may be over soon, and is no fault of TLS."""
    talker, url = talking(b"")
    with talker, pytest.raises(errors.ServerUnavailableError) as caught:
        analyze(url, tls=Tls(ca=ca_file))
    assert not isinstance(caught.value, errors.TlsError)


def test_scheme_and_tls_contradict_each_other():
    with pytest.raises(errors.ClientUsageError, match="contradict"):
        Client("grpcs://a", tls=False)
    with pytest.raises(errors.ClientUsageError, match="contradict"):
        Client("grpc://a", tls=True)


def test_nobody_listens(analyze, unused_port):
    with pytest.raises(errors.ServerUnavailableError, match=f"127.0.0.1:{unused_port}") as caught:
        analyze(f"127.0.0.1:{unused_port}")
    assert caught.value.triton_status == "UNAVAILABLE"


def test_name_that_does_not_exist(analyze):
    with pytest.raises(errors.ServerUnavailableError):
        analyze("no-such-host.invalid:8001")


def test_nobody_answers_in_time(analyze):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(errors.ServerTimeoutError, match="more time"):
            analyze(f"127.0.0.1:{mute.getsockname()[1]}", timeout=0.3)


def talking(answer: bytes) -> tuple[socket.socket, str]:
    """Listen and send some bytes to whoever comes."""
    talker = socket.socket()
    talker.bind(("127.0.0.1", 0))
    talker.listen()

    def talk():
        while True:
            try:
                connection, _ = talker.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

    threading.Thread(target=talk, daemon=True).start()
    return talker, f"127.0.0.1:{talker.getsockname()[1]}"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_what_speaks_no_grpc(analyze, answer):
    talker, url = talking(answer)
    with talker, pytest.raises(errors.IncompatibleServerError, match="does not speak gRPC"):
        analyze(url)


def test_who_takes_connections_and_lets_them_go(analyze):
    talker, url = talking(b"")
    with talker:
        assert look(url, Security(tls=False)) == "nobody"
        with pytest.raises(errors.ServerUnavailableError) as caught:
            analyze(url)
    assert not isinstance(caught.value, errors.TlsError)


def test_server_that_breaks_off_in_the_middle(analyze):
    """A real server whose answer stops after some bytes, as when it is killed while it sends."""
    upstream_bytes = 60
    talker = socket.socket()
    talker.bind(("127.0.0.1", 0))
    talker.listen()
    # A server's preface, an answer's headers promised by none: then nothing more.
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"

    def talk():
        connection, _ = talker.accept()
        with connection:
            connection.sendall(settings)
            received = b""
            while len(received) < upstream_bytes:
                received += connection.recv(4096)
            time.sleep(0.2)

    threading.Thread(target=talk, daemon=True).start()
    with talker, pytest.raises(errors.ServerUnavailableError, match="broke during the call"):
        analyze(f"127.0.0.1:{talker.getsockname()[1]}")


def test_server_that_is_away_for_a_moment(serve, unused_port):
    with Client(f"localhost:{unused_port}", max_retries=9, timeout=30.0) as client:
        with pytest.raises(errors.ServerUnavailableError):
            client.analyze(b"x", max_retries=0)
        starting = threading.Timer(0.3, serve, kwargs={"port": unused_port})
        starting.start()
        assert client.analyze(b"x").status == "ok"
        starting.join()
        serve.last.stop(None).wait()
        with pytest.raises(errors.ServerUnavailableError):
            client.analyze(b"x", max_retries=0)


def test_several_servers_take_turns_and_a_dead_one_is_left_out(serve, triton_response, unused_port):
    seen = []

    def named(name):
        def infer(request, context):
            seen.append(name)
            return triton_response()

        return infer

    urls = [serve(named("a")), serve(named("b")), f"localhost:{unused_port}"]
    with Client(urls, max_retries=1) as client:
        for _ in range(6):
            client.analyze(b"x")
    assert len(seen) == 6
    assert abs(seen.count("a") - seen.count("b")) <= 1


def test_one_that_is_full_is_left_alone_and_another_asked_at_once(serve, triton_response):
    full, seen = threading.Event(), []

    def busy(request, context):
        seen.append("busy")
        if full.is_set():
            text = "BAC-SERVER-OVERLOADED: no room; try again later [retry after 30 s]"
            context.abort(grpc.StatusCode.UNAVAILABLE, text)
        return triton_response()

    def idle(request, context):
        seen.append("idle")
        return triton_response()

    with Client([serve(busy), serve(idle)], retry_for=10.0) as client:
        full.set()
        for _ in range(4):
            assert client.analyze(b"x", timeout=20.0).status == "ok"
    assert seen == ["busy", *["idle"] * 4]


def test_one_that_does_not_answer_in_time_is_left_alone(serve, triton_response):
    seen, release = [], threading.Event()

    def stands_still(request, context):
        seen.append("still")
        release.wait(20)
        return triton_response()

    def answers(request, context):
        seen.append("answers")
        return triton_response()

    with Client([serve(stands_still), serve(answers)]) as client:
        with pytest.raises(errors.ServerTimeoutError):
            client.analyze(b"x", timeout=0.5)
        for _ in range(3):
            client.analyze(b"x")
    release.set()
    assert seen == ["still", *["answers"] * 3]


def test_name_with_several_addresses(serve, triton_response):
    """localhost is 127.0.0.1 and ::1, at which two different servers listen."""
    seen = []

    def named(name):
        def infer(request, context):
            seen.append(name)
            return triton_response()

        return infer

    port = int(serve(named("v4")).rpartition(":")[2])
    try:
        serve(named("v6"), host="[::1]", port=port)
    except RuntimeError:
        pytest.skip("there is no IPv6 on this machine")
    with Client(f"localhost:{port}", max_retries=2) as client:
        deadline = time.monotonic() + 20
        while set(seen) != {"v4", "v6"} and time.monotonic() < deadline:
            client.analyze(b"x")
        assert set(seen) == {"v4", "v6"}
        serve.last.stop(None).wait()
        seen.clear()
        for _ in range(4):
            client.analyze(b"x")
    assert set(seen) == {"v4"}


@pytest.mark.parametrize(
    ("told", "waits"), [("7", 7.0), ("86400", 10.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_a_gateway_that_says_when_to_come_back(analyze, serve, told, waits):
    def infer(request, context):
        context.set_trailing_metadata((("retry-after", told),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "no upstream is healthy")

    with pytest.raises(errors.ServerUnavailableError) as caught:
        analyze(serve(infer))
    assert caught.value.retry_after_s == waits


def test_queue_that_is_full(analyze, serve):
    def infer(request, context):
        context.abort(grpc.StatusCode.UNAVAILABLE, "Request in model 'bac' exceeds maximum queue size")

    with pytest.raises(errors.ServerOverloadedError):
        analyze(serve(infer))


def test_close_ends_a_call_under_way(serve):
    called, release = threading.Event(), threading.Event()

    def infer(request, context):
        called.set()
        release.wait(20)

    client = Client(serve(infer))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.analyze, b"x")
        assert called.wait(20)
        client.close()
        with pytest.raises(errors.ClientUsageError, match="closed during the call"):
            call.result(20)
        release.set()


def test_close_ends_a_call_under_way_in_a_loop(serve):
    called, release = threading.Event(), threading.Event()

    def infer(request, context):
        called.set()
        release.wait(20)

    async def main():
        client = AsyncClient(serve(infer))
        call = asyncio.ensure_future(client.analyze(b"x"))
        assert await asyncio.to_thread(called.wait, 20)
        await client.close()
        with pytest.raises(errors.ClientUsageError, match="closed during the call"):
            await call

    asyncio.run(main())
    release.set()


def test_cancelled_task_is_cancelled(serve):
    called, release = threading.Event(), threading.Event()

    def infer(request, context):
        called.set()
        release.wait(20)

    async def main():
        async with AsyncClient(serve(infer)) as client:
            call = asyncio.ensure_future(client.analyze(b"x"))
            assert await asyncio.to_thread(called.wait, 20)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert call.cancelled()

    asyncio.run(main())
    release.set()


def test_no_proxy_for_this_machine(analyze, monkeypatch, unused_port):
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")  # an address that never answers
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(errors.ServerUnavailableError):
        analyze(f"localhost:{unused_port}")


def test_nothing_is_read_for_a_client_that_is_closed(tmp_path: Path):
    client = Client("localhost:1")
    client.close()
    with pytest.raises(errors.ClientUsageError, match="BAC-CLIENT-CLOSED"):
        client.analyze(tmp_path / "there is no such file")


def test_authorities_with_names_between_them(analyze, unused_port, tmp_path, authority):
    """Bundles of authorities have comments, and these are not all in ASCII."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Főtanúsítvány\n".encode() + authority.cert_pem.bytes())
    with pytest.raises(errors.ServerUnavailableError, match="no server answers"):
        analyze(f"localhost:{unused_port}", tls=Tls(ca=bundle))


def test_close_while_a_connection_is_being_made(serve, monkeypatch):
    client = Client(serve())
    transport = client._transport
    make, made, closing = transport._channel, [], []

    def slow(address, options):
        closing.append(threading.Thread(target=client.close))
        closing[0].start()
        closing[0].join(0.1)
        made.append(make(address, options))
        return made[0]

    monkeypatch.setattr(transport, "_channel", slow)
    with suppress(errors.ClientUsageError):
        client.analyze(b"x")
    closing[0].join(20)
    with pytest.raises(ValueError, match="closed"):
        made[0].unary_unary("/any")(b"")
