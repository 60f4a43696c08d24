"""What to say when a command needs an extra that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bacctl.cli.guard import CommandError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a missing module into a CommandError that names the extra which brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("bac"):
            raise
        raise CommandError(f'{missing} is not installed; run: pip install "bacctl[{extra}]"') from None
