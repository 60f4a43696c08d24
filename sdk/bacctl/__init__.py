"""Find, outline and weigh breast arterial calcification on mammograms. Research use only.

The names below are the public interface; everything else may change. They are imported when first used, so
that ``import bacctl`` costs next to nothing.
"""

# Nothing is imported here: under ``python -m bacctl`` the current folder is still on the import path, where a
# file may be called like a part of the standard library.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bac_terms.beam import Beam as Beam
    from bac_terms.errors import BacctlError as BacctlError
    from bac_terms.errors import ClientUsageError as ClientUsageError
    from bac_terms.errors import FailedError as FailedError
    from bac_terms.errors import IncompatibleServerError as IncompatibleServerError
    from bac_terms.errors import PermissionDeniedError as PermissionDeniedError
    from bac_terms.errors import RefusedError as RefusedError
    from bac_terms.errors import ServerError as ServerError
    from bac_terms.errors import ServerFaultError as ServerFaultError
    from bac_terms.errors import ServerOverloadedError as ServerOverloadedError
    from bac_terms.errors import ServerTimeoutError as ServerTimeoutError
    from bac_terms.errors import ServerUnavailableError as ServerUnavailableError
    from bac_terms.errors import TlsError as TlsError
    from bac_terms.notices import Notice as Notice
    from bacctl._version import __version__ as __version__
    from bacctl.client.asynchronous import AsyncClient as AsyncClient
    from bacctl.client.blocking import Client as Client
    from bacctl.client.payload import Source as Source
    from bacctl.client.transports.security import Tls as Tls
    from bacctl.exam.comparison import compare_exams as compare_exams
    from bacctl.results import AreaEstimate as AreaEstimate
    from bacctl.results import BreastComparison as BreastComparison
    from bacctl.results import BreastResult as BreastResult
    from bacctl.results import Change as Change
    from bacctl.results import ExamComparison as ExamComparison
    from bacctl.results import ExamResult as ExamResult
    from bacctl.results import ImageResult as ImageResult
    from bacctl.results import Vessel as Vessel
    from bacctl.results import ViewResult as ViewResult
    from bacctl.results.frames import to_frame as to_frame

_HOME = {
    "AsyncClient": "bacctl.client.asynchronous",
    "Client": "bacctl.client.blocking",
    "Source": "bacctl.client.payload",
    "Tls": "bacctl.client.transports.security",
    "BacctlError": "bac_terms.errors",
    "ClientUsageError": "bac_terms.errors",
    "FailedError": "bac_terms.errors",
    "IncompatibleServerError": "bac_terms.errors",
    "PermissionDeniedError": "bac_terms.errors",
    "RefusedError": "bac_terms.errors",
    "ServerError": "bac_terms.errors",
    "ServerFaultError": "bac_terms.errors",
    "ServerOverloadedError": "bac_terms.errors",
    "ServerTimeoutError": "bac_terms.errors",
    "ServerUnavailableError": "bac_terms.errors",
    "TlsError": "bac_terms.errors",
    "BreastComparison": "bacctl.results",
    "BreastResult": "bacctl.results",
    "Change": "bacctl.results",
    "ExamComparison": "bacctl.results",
    "ExamResult": "bacctl.results",
    "AreaEstimate": "bacctl.results",
    "Beam": "bac_terms.beam",
    "ImageResult": "bacctl.results",
    "Notice": "bac_terms.notices",
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
