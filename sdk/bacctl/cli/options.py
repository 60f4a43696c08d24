"""What several commands take: the way to a server, the size of a pixel, the operating point."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from bacctl.cli.guard import UsageError

# How the answer looks is asked for by every call anew, and no setting.
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", allow_from_autoenv=False, help="Print one JSON document on stdout and nothing else."
    ),
]
LogJson = Annotated[
    bool, typer.Option("--log-json", help="Write the log as JSON, one object a line, with UIDs hashed.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk.")]
_NO_ADDRESS = "{}: is for a server that runs already; give its address with --url"
TOKEN_VARIABLE = "BACCTL_TOKEN"  # noqa: S105  # the name of the variable, not what is in it


@dataclass(frozen=True)
class ServerOptions:
    """How to reach a server, as the command line, the environment and ``bacctl.toml`` say.

    Attributes
    ----------
    url : str or None
        ``host:port``, or several with commas between; None starts a server of one's own.
    weights : str or None
        First digits of the SHA-256 of the weights that all results are to be of; None takes any.
    tls_ca, tls_cert, tls_key : Path or None
        PEM files: whom to trust, and whom to be.
    tls_server_name : str or None
        The name in the server's certificate, where the address says another; asks for TLS.
    token_file : Path or None
        File that holds the token. A token itself is never an argument: every user of a machine sees those.
    timeout : float or None
        Seconds for one image; None leaves it to the client.
    retry_for : float or None
        Seconds for which a call is tried again; None leaves it to the client.
    max_retries : int or None
        How often a call is tried again; None leaves it to the client.
    cache : Path or None
        File of the results that are known already.
    """

    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="BACCTL_URL",
            metavar="HOST:PORT",
            help="A server that runs already, or several with commas between; without it one is started here "
            "and stopped again.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            envvar="BACCTL_WEIGHTS",
            metavar="SHA256",
            help="Take no result that is by other weights than these; the first eight digits will do.",
        ),
    ] = None
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-ca",
            envvar="BACCTL_TLS_CA",
            metavar="FILE",
            help="Encrypt, and trust servers whose certificate these ones (PEM) have signed.",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", envvar="BACCTL_TLS_CERT", metavar="FILE", help="Own certificate (PEM)."),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", envvar="BACCTL_TLS_KEY", metavar="FILE", help="Its private key (PEM)."),
    ] = None
    tls_server_name: Annotated[
        str | None,
        typer.Option(
            "--tls-server-name",
            envvar="BACCTL_TLS_SERVER_NAME",
            metavar="NAME",
            help="The name in the server's certificate, where the address says another.",
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar="BACCTL_TOKEN_FILE",
            metavar="FILE",
            help=f"File that holds the server's token; {TOKEN_VARIABLE} holds one itself.",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", envvar="BACCTL_TIMEOUT", metavar="S", help="Seconds that one image may take."
        ),
    ] = None
    retry_for: Annotated[
        float | None,
        typer.Option(
            "--retry-for",
            envvar="BACCTL_RETRY_FOR",
            metavar="S",
            min=0.0,
            help="Seconds for which a call is tried again where that can help.  [default: 60]",
        ),
    ] = None
    max_retries: Annotated[
        int | None,
        typer.Option(
            "--max-retries",
            envvar="BACCTL_MAX_RETRIES",
            metavar="N",
            min=0,
            help="How often it is tried again at most.  [default: as often as there is time]",
        ),
    ] = None
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            envvar="BACCTL_CACHE",
            metavar="FILE",
            help="Keep results here, and take those of files that are known.  [default: none]",
        ),
    ] = None

    def token(self) -> str | Path | None:
        """Return the token, or the file that holds it, which is read anew for each call.

        Raises
        ------
        UsageError
            The file cannot be read or holds no token.
        """
        if self.token_file is None:
            return os.environ.get(TOKEN_VARIABLE) or None
        try:
            token = self.token_file.read_text().strip()
        except (OSError, ValueError):
            raise UsageError(f"{self.token_file}: the token cannot be read; check --token-file") from None
        if not token or not token.isprintable() or " " in token:
            raise UsageError(f"{self.token_file}: holds no token on a line of its own; check --token-file")
        return self.token_file

    def checked(self) -> ServerOptions:
        """Return these options, an empty address taken for none.

        Raises
        ------
        UsageError
            They cannot hold together, or an address is not one.
        """
        if self.timeout is not None and not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UsageError("--timeout: give seconds, a number above 0 such as 120")
        if self.url:
            _check_addresses(self.url)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key: give both, the certificate and its key, or neither")
        for flag, given in (("--tls-server-name", self.tls_server_name), ("--weights", self.weights)):
            if given is not None and not self.url:
                raise UsageError(_NO_ADDRESS.format(flag))
        for flag, value in (
            ("--tls-ca", self.tls_ca),
            ("--tls-cert", self.tls_cert),
            ("--tls-key", self.tls_key),
            ("--token-file", self.token_file),
        ):
            if value is None:
                continue
            if not self.url:
                raise UsageError(_NO_ADDRESS.format(flag))
            if not os.path.isfile(value):
                raise UsageError(f"{flag} {value}: there is no such file; check the path")
        return self


def _check_addresses(url: str) -> None:
    """Refuse what is no address before an image is read: it would fail every one of them."""
    from bac_terms.errors import BacctlError
    from bacctl.client.transports.endpoints import parse_urls  # not wanted for --help

    try:
        parse_urls(url)
    except BacctlError as error:
        raise UsageError(f"--url: {error.reason}") from None


MinProbability = Annotated[
    str | None,
    typer.Option(
        "--min-probability",
        metavar="P",
        help="Leave out finds of a lower probability, from 0 to 1.  [default: 0, every find]",
    ),
]


def point_of(given: str | None) -> float | None:
    """Check ``--min-probability``."""
    if given is None:
        return None
    try:
        point = float(given)
    except ValueError:
        point = math.nan
    if not 0.0 <= point <= 1.0:
        raise UsageError("BAC-OPTIONS-INVALID: --min-probability: give a number from 0 to 1, such as 0.5")
    return point


SERVER_OPTIONS = tuple(entry.name.replace("_", "-") for entry in fields(ServerOptions))
"""Flags of `ServerOptions` without their dashes: the keys that stand at the top of ``bacctl.toml``."""


def calls_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `ServerOptions`, and hand them to it as one.

    Parameters
    ----------
    command : callable
        Its parameter ``server`` becomes the options.

    Returns
    -------
    callable
        For typer, whose options are the parameters of a function.
    """
    hints = get_type_hints(command, include_extras=True)
    options = get_type_hints(ServerOptions, include_extras=True)
    parameters: list[inspect.Parameter] = []
    kind = inspect.Parameter.KEYWORD_ONLY
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == "server":
            parameters += [
                parameter.replace(name=name, annotation=annotation, default=None, kind=kind)
                for name, annotation in options.items()
            ]
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name], kind=kind))

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        server = ServerOptions(**{name: given.pop(name) for name in options})
        command(server=server.checked(), **given)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def spacing_of(millimetres: float | None) -> tuple[float, float] | None:
    """Check ``--pixel-spacing`` and return it for rows and for columns."""
    if millimetres is None:
        return None
    if not (math.isfinite(millimetres) and millimetres > 0):
        raise UsageError("--pixel-spacing: give the size of a pixel in mm, a number above 0 such as 0.1")
    return millimetres, millimetres
