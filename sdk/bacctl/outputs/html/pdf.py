"""The report as PDF, printed by the Chromium of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bac_terms.errors import FailedError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT_S = 120
# Nothing of a browser but its printer: no network of its own, no profile of the user's.
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--disable-dev-shm-usage",
    # It would ask its maker for the time and for updates all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def find_browser() -> str | None:
    """Return the path of a Chromium, or None where there is none on PATH."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def print_pdf(html: bytes) -> bytes:
    """Print a page as PDF.

    Parameters
    ----------
    html : bytes
        A self-contained page.

    Returns
    -------
    bytes
        The PDF.

    Raises
    ------
    FailedError
        BAC-OUTPUT-NO-BROWSER: there is no Chromium here. BAC-OUTPUT-PRINT: it printed nothing.
    """
    browser = find_browser()
    if browser is None:
        raise FailedError("BAC-OUTPUT-NO-BROWSER")
    # Helpers of a browser may still write into its profile when it has ended.
    with tempfile.TemporaryDirectory(prefix="bacctl-print-", ignore_cleanup_errors=True) as folder:
        page, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        page.write_bytes(html)
        command = [
            browser,
            *_QUIET,
            # Its sandbox refuses to run as root, as in most containers. The page has no scripts, and its
            # policy forbids them and every request.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={printed}",
            page.as_uri(),
        ]
        try:
            # A home of its own too: crash reports and font caches go there.
            environment = {**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_CACHE_HOME": folder}
            subprocess.run(  # noqa: S603
                command, check=False, capture_output=True, timeout=_TIMEOUT_S, env=environment, cwd=folder
            )
        except subprocess.TimeoutExpired:
            raise FailedError("BAC-OUTPUT-PRINT", f"Chromium did not print within {_TIMEOUT_S} s") from None
        except OSError:
            raise FailedError("BAC-OUTPUT-PRINT", "Chromium could not be started") from None
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF"):
            raise FailedError("BAC-OUTPUT-PRINT")
        return printed.read_bytes()
