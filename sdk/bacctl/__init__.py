"""Find, outline and weigh breast arterial calcification on mammograms. Research use only.

The names below are the public interface; everything else may change. They are imported when first used, so
that ``import bacctl`` costs next to nothing.
"""

# Nothing is imported here: under ``python -m bacctl`` the current folder is still on the import path, where a
# file may be called like a part of the standard library.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bacctl._version import __version__ as __version__
    from bacctl.client.asynchronous import AsyncClient as AsyncClient
    from bacctl.client.blocking import Client as Client
    from bacctl.client.payload import Source as Source
    from bacctl.client.transports.security import Tls as Tls
    from bacctl.errors import BacctlError as BacctlError
    from bacctl.errors import ClientUsageError as ClientUsageError
    from bacctl.errors import FailedError as FailedError
    from bacctl.errors import IncompatibleServerError as IncompatibleServerError
    from bacctl.errors import PermissionDeniedError as PermissionDeniedError
    from bacctl.errors import RefusedError as RefusedError
    from bacctl.errors import ServerFaultError as ServerFaultError
    from bacctl.errors import ServerOverloadedError as ServerOverloadedError
    from bacctl.errors import ServerTimeoutError as ServerTimeoutError
    from bacctl.errors import ServerUnavailableError as ServerUnavailableError
    from bacctl.errors import TlsError as TlsError
    from bacctl.exam.comparison import compare_exams as compare_exams
    from bacctl.results import AreaEstimate as AreaEstimate
    from bacctl.results import Beam as Beam
    from bacctl.results import BreastComparison as BreastComparison
    from bacctl.results import BreastResult as BreastResult
    from bacctl.results import Change as Change
    from bacctl.results import ExamComparison as ExamComparison
    from bacctl.results import ExamResult as ExamResult
    from bacctl.results import ImageResult as ImageResult
    from bacctl.results import Notice as Notice
    from bacctl.results import Vessel as Vessel
    from bacctl.results import ViewResult as ViewResult
    from bacctl.results.frames import to_frame as to_frame

_HOME = {
    "AsyncClient": "bacctl.client.asynchronous",
    "Client": "bacctl.client.blocking",
    "Source": "bacctl.client.payload",
    "Tls": "bacctl.client.transports.security",
    "BacctlError": "bacctl.errors",
    "ClientUsageError": "bacctl.errors",
    "FailedError": "bacctl.errors",
    "IncompatibleServerError": "bacctl.errors",
    "PermissionDeniedError": "bacctl.errors",
    "RefusedError": "bacctl.errors",
    "ServerFaultError": "bacctl.errors",
    "ServerOverloadedError": "bacctl.errors",
    "ServerTimeoutError": "bacctl.errors",
    "ServerUnavailableError": "bacctl.errors",
    "TlsError": "bacctl.errors",
    "BreastComparison": "bacctl.results",
    "BreastResult": "bacctl.results",
    "Change": "bacctl.results",
    "ExamComparison": "bacctl.results",
    "ExamResult": "bacctl.results",
    "AreaEstimate": "bacctl.results",
    "Beam": "bacctl.results",
    "ImageResult": "bacctl.results",
    "Notice": "bacctl.results",
    "Vessel": "bacctl.results",
    "ViewResult": "bacctl.results",
    "compare_exams": "bacctl.exam.comparison",
    "to_frame": "bacctl.results.frames",
    "__version__": "bacctl._version",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module 'bacctl' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
