"""The embedded server: the real ``tritonserver``, started for one program and gone with it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from bac_terms.errors import ServerUnavailableError, unavailable
from bacctl._claim import MARK, TICKETS
from bacctl.server import supervisor as _supervisor
from bacctl.server.flags import ENVIRONMENT, fits_socket, listeners, private_listener, settings
from bacctl.server.leftovers import clear_leftovers
from bacctl.server.repository import DEFAULT_CONFIG, check_backends, default_repository, link_repository
from bacctl.server.start_faults import PortTakenError, explained, telling_why
from bacctl.server.steps import Steps, children
from bacctl.server.triton_wheel import BACKENDS, TritonWheel, find_triton, link_backend

if TYPE_CHECKING:
    from bacctl.server.tls import ServerTls

_LOOPBACK = "127.0.0.1"
NEEDED_SHM_BYTES = 512 * 2**20
"""Free space in /dev/shm: two large mammograms on their way through three steps."""
_NEEDED_TEMPORARY_BYTES = 2**20
_EXIT_S = 2
_GRACE_S = _EXIT_S + 1.0  # for a server that does not say that its calls are answered
_PORT_ATTEMPTS = 3
# For a port that is held by a server which is ending: whoever ran it, and one's own.
_PORT_WAIT_S, _OWN_PORT_WAIT_S = 3.0, 20.0
_STARTED = {
    "grpc": b"Started GRPCInferenceService",
    "http": b"Started HTTPService",
    "metrics": b"Started Metrics Service",
}


class EmbeddedServer:
    """A Triton server of our own, on this machine, without a GPU.

    It ends with this object, with this process (kill -9 included), and leaves no process, no shared memory
    and no file behind. Ctrl-C reaches this process only, which then stops the server.

    Parameters
    ----------
    repository : Path, optional
        Model repository. Default: the one that belongs to this package.
    host : str, optional
        Address to listen on. Default: loopback, so that nobody else on the network can send images.
    port : int, optional
        gRPC port; 0 picks a free one.
    http_port, metrics_port : int, optional
        The same for HTTP and for Prometheus metrics; None leaves them off.
    model_config : str, optional
        Which configuration of the models: "cpu", or one of the repository's ``configs/NAME.pbtxt``.
    private : bool, optional
        Listen on a Unix socket in a folder of this user's alone, so that no other user of the machine can
        connect, and on no port; on loopback where the path of the temporary folder is too long for one.
    tls : ServerTls, optional
        Encrypt gRPC. Triton's HTTP and metrics have no TLS.
    log : Path, optional
        File that the server's log is added to. Default: a temporary one, shown only when the start fails.
    start_timeout_s : float, optional
        How long the start may take.

    Attributes
    ----------
    url : str
        ``host:port``, or ``unix:PATH`` of a private one, to give to a client. Known once started.
    key : str
        What opens the call for statistics, and of a private server all that stay locked to clients.
    admin : Path or None
        Socket of a server at a port on which this user alone can make the calls that stay locked to clients
        (`bacctl.server.admin`); None where there is none.

    Examples
    --------
    >>> with EmbeddedServer() as server:  # doctest: +SKIP
    ...     client = Client(server.url)
    """

    def __init__(
        self,
        repository: Path | None = None,
        *,
        host: str = _LOOPBACK,
        port: int = 0,
        http_port: int | None = None,
        metrics_port: int | None = None,
        model_config: str = DEFAULT_CONFIG,
        private: bool = False,
        tls: ServerTls | None = None,
        log: Path | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        self._repository = repository
        self._model_config = model_config
        self._private = private
        self._tls = tls
        self._host = host
        self._wanted = {"grpc": port, "http": http_port, "metrics": metrics_port}
        self._log = None if log is None else Path(log).absolute()  # the server's current folder is its own
        self._start_timeout_s = start_timeout_s
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._loading: tuple[BinaryIO, int] | None = None
        self._mark: Path | None = None
        self._steps: Steps | None = None
        self._launched_at = 0.0
        self._port_wait_s = _PORT_WAIT_S
        self.key = secrets.token_hex(16)
        self.admin: Path | None = None
        self.ports: dict[str, int] = {}
        self.url = ""

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(answer_first=True)

    def launch(self) -> None:
        """Begin to start the server and come back at once; `start` then waits for it.

        Loading the models takes seconds, in which the caller can do something else. Raises as `start` does.
        """
        if self._supervisor is not None:
            raise unavailable("this embedded server has been started already", "make another one")
        with telling_why():
            repository = self._repository or default_repository()
            check_backends(repository, self._model_config, BACKENDS)
            if self._tls is not None:
                self._tls.server_name()
            wheel = find_triton()
            clear_leftovers()
            _check_room()
            self._launch(wheel, repository)

    def start(self) -> EmbeddedServer:
        """Start the server and wait until it accepts connections, that is, until all models are loaded.

        Returns
        -------
        EmbeddedServer
            Itself.

        Raises
        ------
        ServerUnavailableError
            It cannot run here, or did not start; the reason is one line that says what to do.
        """
        for _ in range(_PORT_ATTEMPTS):
            if self._loading is None:
                self.launch()
            try:
                self._wait_until_loaded()
            except PortTakenError as taken:
                # Somebody took it between our look and Triton's. Look again.
                address = str(taken)
            else:
                self._look_for_steps()
                return self
        with telling_why():
            raise _in_use(address)

    def restart(self) -> None:
        """Stop the server and start it again on the same ports; raises as `start` does."""
        self.stop()
        # Whoever was told where it listens must find it there again.
        self._wanted.update(self.ports)
        self._port_wait_s = _OWN_PORT_WAIT_S
        self.start()

    def stop(self, *, answer_first: bool = False) -> None:
        """Stop the server, its models and its supervisor. Does nothing where none runs.

        Parameters
        ----------
        answer_first : bool, optional
            Give calls in their last step two seconds to be answered. Triton 2.51 refuses all others their
            next step; to have those answered too, let a test image pass behind them first.
        """
        supervisor, self._supervisor = self._supervisor, None
        self._steps = None
        loading, self._loading = self._loading, None
        if loading is not None:
            loading[0].close()
        if supervisor is None:
            return
        if supervisor.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                # The end of the input does not show while a process that was forked holds it open.
                supervisor.stdin.write(_supervisor.END if answer_first else _supervisor.END_AT_ONCE)
                supervisor.stdin.close()
        try:
            supervisor.wait(_GRACE_S + 10.0)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        if supervisor.returncode == -signal.SIGKILL:  # it cleared up nothing
            clear_leftovers()

    @property
    def running(self) -> bool:
        """Whether the server process is there (not whether it answers: see `bacctl.client.canary`)."""
        return self._supervisor is not None and self._supervisor.poll() is None

    @property
    def mixed_up(self) -> bool:
        """Whether the server found that its steps mixed up images. It answers nothing more from then on."""
        return self._mark is not None and self._mark.exists()

    @property
    def steps(self) -> Steps | None:
        """The processes of the models; None where no server runs."""
        return self._steps if self.running else None

    def dead_steps(self) -> list[str]:
        """Return the models whose process has died in a server that runs; no call gets past them."""
        steps = self.steps
        return [] if steps is None else steps.dead()

    def _look_for_steps(self) -> None:
        supervisor = self._supervisor
        servers = [] if supervisor is None else children(supervisor.pid)
        self._steps = Steps(servers[0]) if servers else None
        # Not needed any more, and so it is not left by who kills the supervisor.
        _supervisor.remove_tritons_folder(self._launched_at, time.time() - self._launched_at)

    @property
    def _local(self) -> str:
        return _LOOPBACK if self._host == "0.0.0.0" else self._host  # noqa: S104

    def _launch(self, wheel: TritonWheel, repository: Path) -> None:
        self._launched_at = time.time()
        folder = Path(tempfile.mkdtemp(prefix="bacctl-"))
        try:
            self._mark = folder / "mixed-up"
            (folder / "tickets").mkdir()
            prefix = f"bacctl_{os.getpid()}_{secrets.token_hex(4)}_"
            log = self._log or folder / "server.log"
            private = self._private and fits_socket(folder / "grpc")
            wanted = {} if private else self._wanted
            self.ports = {
                name: _free_port(self._host, port, self._port_wait_s)
                for name, port in wanted.items()
                if port is not None
            }
            self.admin = None
            if private:
                where, self.url = private_listener(folder / "grpc")
            else:
                if "http" not in self.ports and fits_socket(folder / "admin"):
                    self.admin = folder / "admin"
                where = listeners(self._host, self.ports, self.admin)
                self.url = f"{self._local}:{self.ports['grpc']}"
            command = [
                str(wheel.server),
                f"--model-repository={link_repository(repository, folder / 'models', self._model_config)}",
                f"--backend-directory={link_backend(wheel, folder / 'backends')}",
                f"--id={prefix.strip('_')}",
                f"--backend-config=python,shm-region-prefix-name={prefix}",
                "--pinned-memory-pool-byte-size=0",  # there is no GPU
                *settings(self.key, _EXIT_S, private=private),
                *where,
                *(self._tls.flags() if self._tls is not None else ()),
            ]
            stream = open(log, "ab+")  # noqa: SIM115  # read until the server is loaded
            self._loading = (stream, stream.seek(0, os.SEEK_END))
            self._supervisor = _supervise(
                {
                    "command": command,
                    "environment": {
                        **ENVIRONMENT,
                        **wheel.environment,
                        MARK: str(self._mark),
                        TICKETS: str(folder / "tickets"),
                    },
                    "folder": str(folder),
                    "log": str(log),
                    "shm_prefix": prefix,
                    "grace_s": _GRACE_S,
                },
                folder,
            )
        except BaseException:
            self.stop()  # takes the folder along, if the supervisor is there
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _wait_until_loaded(self) -> None:
        loading, self._loading = self._loading, None
        if loading is None:
            return
        stream, start = loading
        with stream:
            try:
                self._wait_until_listening(stream)
            except BaseException as error:
                ended = self._exit_code()
                self.stop()
                stream.seek(start)
                if isinstance(error, ServerUnavailableError):
                    raise explained(error, stream.read().decode(errors="replace"), ended) from None
                raise

    def _wait_until_listening(self, log: BinaryIO) -> None:
        # The log is asked and not the port, at which somebody else may answer.
        awaited = {_STARTED[name] for name in ("grpc", *self.ports)}
        deadline = time.monotonic() + self._start_timeout_s
        line = b""
        while awaited:
            # What is being written may come in two halves.
            rest = log.readline()
            line = rest if line.endswith(b"\n") else line + rest
            awaited = {start for start in awaited if start not in line}
            if not rest:
                if not self.running:
                    raise unavailable("the embedded Triton ended while starting")
                if time.monotonic() > deadline:
                    raise unavailable(
                        f"the embedded Triton did not start within {self._start_timeout_s:.0f} s"
                    )
                time.sleep(0.03)
        # Triton announces HTTP and metrics a moment before it binds them.
        for port in self.ports.values():
            while not self._accepts(port):
                if not self.running or time.monotonic() > deadline:
                    raise unavailable(f"the embedded Triton does not accept connections at port {port}")
                time.sleep(0.03)
        while self.admin is not None and not self.admin.exists():
            if not self.running or time.monotonic() > deadline:
                raise unavailable("the embedded Triton does not listen at its own socket")
            time.sleep(0.03)

    def _exit_code(self) -> int | None:
        """Return the server's exit status, negative for a signal; None while it runs."""
        code = None if self._supervisor is None else self._supervisor.poll()
        # The supervisor leaves with it, in eight bits.
        return code - 256 if code is not None and code > 255 - signal.NSIG else code

    def _accepts(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._local, port), timeout=1.0):
            return True
        return False


def _supervise(orders: dict[str, object], folder: Path) -> subprocess.Popen[bytes]:
    # Triton's stub puts the current folder first on its import path. There must be nothing in it.
    empty = folder / "run"
    empty.mkdir()
    supervisor = subprocess.Popen(  # noqa: S603  # this interpreter and our own module
        # Isolated, so that nothing in the current folder can stand in for the standard library.
        [sys.executable, "-I", os.path.abspath(_supervisor.__file__)],
        cwd=empty,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if supervisor.stdin is not None:
        supervisor.stdin.write(json.dumps(orders).encode() + b"\n")
        supervisor.stdin.flush()
    return supervisor


def _free_port(host: str, port: int, wait_s: float = 0.0) -> int:
    """Return the port, or any free one for 0, if Triton will be able to listen on it."""
    deadline = time.monotonic() + wait_s
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As Triton does: connections that have just been closed are no reason to wait for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise unavailable(
                        f"cannot listen on {host}:{port}: {error.strerror}", "choose another address"
                    ) from None
            else:
                chosen: int = probe.getsockname()[1]
                return chosen
        if time.monotonic() > deadline:
            raise _in_use(f"{host}:{port}")
        time.sleep(0.05)


def _in_use(address: str) -> ServerUnavailableError:
    return unavailable(f"{address} is in use", "choose another port")


def _check_room() -> None:
    """Refuse to start where what the server writes would be cut off: its log tells that it has started."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < _NEEDED_TEMPORARY_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
    free = shutil.disk_usage(_supervisor.SHARED_MEMORY).free if _supervisor.SHARED_MEMORY.is_dir() else 0
    if free < NEEDED_SHM_BYTES:
        raise unavailable(
            f"{free / 2**20:.0f} MB are free in /dev/shm and {NEEDED_SHM_BYTES / 2**20:.0f} MB are needed",
            "in a container add --shm-size=1g",
        )
