"""Files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

__all__ = ["digest_of", "replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file such that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Containers that share a folder have the same process ids.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def digest_of(data: bytes | Path) -> str:
    """Return the SHA-256 of some bytes or of a file's, in hexadecimal."""
    return hashlib.sha256(data.read_bytes() if isinstance(data, Path) else data).hexdigest()
