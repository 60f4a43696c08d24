"""What other users of a machine, who see all command lines and list all folders, get of a server: nothing."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.e2e.process_tree import descendants
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from bacctl import Client
from bacctl.client.transports.blocking import GrpcTransport
from bacctl.server import admin
from bacctl.server.embedded import EmbeddedServer

SHARED_MEMORY = Path("/dev/shm")
CALLS: tuple[Callable[[grpc.InferenceServerClient, dict[str, str]], object], ...] = (
    lambda c, h: c.get_model_repository_index(headers=h),
    lambda c, h: c.load_model("bac", headers=h),
    lambda c, h: c.get_model_config("bac", headers=h),
    lambda c, h: c.register_system_shared_memory("x", "/x", 8, headers=h),
    lambda c, h: c.update_trace_settings(settings={"trace_level": ["OFF"]}, headers=h),
    lambda c, h: c.update_log_settings({"log_info": True}, headers=h),
)


def others_may(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o077


def test_images_on_their_way_are_nobody_elses(client: Client, raw_mammogram: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(raw_mammogram)
    client.analyze(tmp_path / "a.dcm")
    regions = list(SHARED_MEMORY.glob(f"bacctl_{psutil.Process().pid}_*"))
    assert regions
    assert not [region.name for region in regions if others_may(region)]


def options_of(flags: str) -> list[tuple[str, str]]:
    """Return header and value of all that looks like a key on the command lines below this process."""
    words = [word for pid in descendants(psutil.Process().pid) for word in psutil.Process(pid).cmdline()]
    pairs = [word.split(":", 1)[1].rpartition("=") for word in words if word.startswith(flags)]
    return [(name, value) for name, _, value in pairs]


def test_no_command_line_opens_what_is_locked(server: EmbeddedServer) -> None:
    keys = options_of("--grpc-restricted-protocol=")
    assert len(keys) >= 2
    with grpc.InferenceServerClient(server.url) as caller:
        for name, value in (*keys, ("bacctl", server.key)):
            header = {f"triton-grpc-protocol-{name}": value}
            for call in CALLS:
                # Ours cannot even send it; a raw HTTP/2 frame with such a name has its stream reset.
                with pytest.raises((InferenceServerException, ValueError), match=r"restricted|metadata"):
                    call(caller, header)


def test_nor_over_http(server: EmbeddedServer) -> None:
    pairs = [*options_of("--http-restricted-api="), ("bacctl", server.key)]
    assert len(pairs) >= 2
    for name, value in pairs:
        with socket.create_connection(("127.0.0.1", server.ports["http"]), timeout=10) as caller:
            lines = f"GET /v2/logging HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\nConnection: close\r\n\r\n"
            caller.sendall(lines.encode())
            assert caller.recv(100).startswith(b"HTTP/1.1 403 ")


def test_a_client_has_its_server_for_itself() -> None:
    with Client.embedded() as mine:
        socket_of = Path(mine.url.removeprefix("unix:"))
        assert socket_of.is_socket()
        assert others_may(socket_of.parent) == 0
        assert mine._server is not None
        assert mine._server._supervisor is not None
        supervisor = psutil.Process(mine._server._supervisor.pid)
        assert not [c for child in supervisor.children(recursive=True) for c in child.net_connections("inet")]
        run = psutil.Process(supervisor.children()[0].pid).cwd()
        assert not list(Path(run).iterdir())  # nothing to be imported
        with Client(mine.url) as other:  # another program of the same user
            assert other.server_info() == mine.server_info()


def test_the_way_in_of_whom_it_belongs_to() -> None:
    with EmbeddedServer() as own:
        assert own.admin is not None
        assert others_may(own.admin.parent) == 0
        before = admin.count_answered(own.admin, "bac", 60.0)
        with Client(own.url) as caller:
            caller.server_info()
        assert before is not None
        end = time.monotonic() + 30.0
        # Triton counts an answer after it has sent it.
        while not (after := admin.count_answered(own.admin, "bac", 60.0)) or after <= before:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert not admin.load_model(own.admin, "invented", 60.0)
    assert admin.count_answered(own.admin, "bac", 5.0) is None


def test_a_temporary_folder_of_a_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    server = EmbeddedServer(private=True)
    server.launch()
    assert server.url.startswith("127.0.0.1:")
    server.stop()


def test_a_transport_shows_no_token(server: EmbeddedServer) -> None:
    from bacctl.client.transports.endpoints import Endpoints
    from bacctl.client.transports.security import make_security

    security = make_security([server.url], None, None, "a-secret-token", False)
    transport = GrpcTransport(Endpoints([server.url]), security)
    assert "a-secret-token" not in repr(security) + repr(vars(transport))
    transport.close()
