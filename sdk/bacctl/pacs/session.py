"""The HTTP session with a DICOMweb service: what it sends along, where it goes, and how much it takes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

MOST_BYTES = 1 << 30
"""Of one answer, unpacked: twice the largest image that is measured."""
_PIECE = 1 << 20


def is_private(url: str) -> bool:
    """Tell whether what is sent to an address can be read by nobody on the way: TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


class Session(requests.Session):
    """A session that a service can neither lead astray nor fill the memory with.

    Parameters
    ----------
    authorization : callable or None
        Returns the value of the Authorization header, anew for each request.
    trust_env : bool
        Whether proxies and certificates are taken from the environment.
    """

    def __init__(self, authorization: Callable[[], str] | None, *, trust_env: bool) -> None:
        super().__init__()
        self.trust_env = trust_env
        if authorization is not None:
            # Not a header of the session, in whose place a .netrc would put its own.
            self.auth = _Authorization(authorization)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow nobody out of TLS, and take what is stored to nobody but who was named."""
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        here, there = str(resp.url), urljoin(str(resp.url), target)
        stays = urlsplit(here)[:2] == urlsplit(there)[:2]
        if not stays and (resp.request.method != "GET" or (is_private(here) and not is_private(there))):
            raise requests.TooManyRedirects("to where nothing may be sent", response=None)
        return target

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request and read its answer, up to a bound: packed, a small one may become any size."""
        wanted_whole = not kwargs.get("stream")
        answer = super().send(request, **{**kwargs, "stream": True})
        if wanted_whole and not answer._content_consumed:
            answer._content = _bounded(answer)
            answer._content_consumed = True
        return answer


class _Authorization(requests.auth.AuthBase):
    """Puts a token into requests; not into those that another host redirects them to."""

    def __init__(self, current: Callable[[], str]) -> None:
        self._current = current

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._current()
        return request


def _bounded(answer: requests.Response) -> bytes:
    pieces, size = [], 0
    with contextlib.closing(answer):
        for piece in answer.iter_content(_PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                raise ValueError("more than any image")
            pieces.append(piece)
    return b"".join(pieces)


def read_authorization(file: Path | None, variable: str) -> str | None:
    """Return the value of the Authorization header.

    Parameters
    ----------
    file : Path or None
        Holds a token, or the whole value with its scheme, such as ``Basic dXNlcjpwYXNz``.
    variable : str
        The environment variable that holds the same, where no file is given.

    Raises
    ------
    ValueError
        It cannot be read or is no such thing.
    """
    if file is None:
        text = os.environ.get(variable, "").strip()
        if not text:
            return None
    else:
        try:
            text = file.read_text().strip()
        except (OSError, ValueError):
            raise ValueError(f"{file}: the token cannot be read") from None
    if not re.fullmatch(r"([A-Za-z]+ )?[\x21-\x7e]+", text):
        raise ValueError(f"{file or variable}: holds no token on a line of its own")
    return text if " " in text else f"Bearer {text}"


def authorization_of(file: Path | None, variable: str) -> Callable[[], str] | None:
    """Return what gives the value of the Authorization header: of a file, what it holds by then.

    A file that is being changed counts with what it held before. Parameters and errors as of
    `read_authorization`; None where there is no token.
    """
    last = read_authorization(file, variable)
    if last is None:
        return None

    def current() -> str:
        nonlocal last
        if file is not None:
            with contextlib.suppress(ValueError):
                last = read_authorization(file, variable)
        return str(last)

    return current
