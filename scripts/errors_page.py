"""Make docs/errors.md from the catalogue of codes: one table a kind, one row a code.

With ``--check`` nothing is written; it leaves with 1 where the page is not that of the catalogue.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bac_terms.catalogue import CATALOGUE, Status

_ROOT = Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "docs" / "errors.md"
_INTRODUCTION = """# Errors and warnings

Research use only. Made by `python scripts/errors_page.py` from the catalogue, `bac_terms/catalogue.py`.

Every error and warning carries a code that stays the same across releases. The same code appears in the
JSON (`code`, `warnings[].code`), in Python (`error.code`) and in the server's answer; the text after it says
what was found in this file and what to do. No text ever repeats a patient's name, identifier or date.
"""
_CHAPTERS: dict[Status, tuple[str, str]] = {
    "refused": ("Refused", "This input can never be measured as it is: `bacctl.RefusedError`."),
    "failed": (
        "Failed",
        "It could not be measured now; with another set-up, or later, it may be: `bacctl.FailedError`. Codes "
        "that begin with `BAC-SERVER` are each of a class below `bacctl.ServerError`.",
    ),
    "usage": (
        "Wrong use",
        "The client was used in a way that cannot work: `bacctl.ClientUsageError`, which is raised and never "
        "the result of an image.",
    ),
    "warning": ("Warnings", "It was measured, and this should be known about the result."),
}


def make_page() -> str:
    """Return the page.

    Returns
    -------
    str
        Markdown.
    """
    lines = [_INTRODUCTION]
    for status, (title, meaning) in _CHAPTERS.items():
        lines += [f"## {title}", "", meaning, "", "| code | meaning | what to do |", "|---|---|---|"]
        lines += [
            f"| `{code}` | {entry.meaning} | {entry.hint} |"
            for code, entry in CATALOGUE.items()
            if entry.status == status
        ]
        lines.append("")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    page = make_page()
    if arguments == ["--check"]:
        if _PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{_PAGE.relative_to(_ROOT)} is stale; run: python scripts/errors_page.py", file=sys.stderr)
        return 1
    _PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
