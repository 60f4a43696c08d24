"""How results are put into words: the same in the table, on the overlay and in the demo."""

from __future__ import annotations

INTENDED_USE = "research use only"


def milligrams(mass_mg: float | None, interval_mg: tuple[float, float] | None = None) -> str:
    """Write a mass in mg with its interval, such as ``"12.3 [10.1, 14.5]"``; a dash where there is none."""
    if mass_mg is None:
        return "-"
    if interval_mg is None:
        return f"{mass_mg:.1f}"
    return f"{mass_mg:.1f} [{interval_mg[0]:.1f}, {interval_mg[1]:.1f}]"


def mass_text(mass_mg: float | None, interval_mg: tuple[float, float] | None = None) -> str:
    """Write a mass with its unit, such as ``"12.3 [10.1, 14.5] mg"``, or that there is none: never zero."""
    return "not measured" if mass_mg is None else f"{milligrams(mass_mg, interval_mg)} mg"


def number(value: float | None, digits: int = 1) -> str:
    """Write a number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def count_of(number: int, thing: str) -> str:
    """Write how many there are, such as ``"1 file"`` and ``"2 files"``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def packed_text(count: int) -> str:
    """Say that packed files were found, such as ``"2 packed files that were not looked into"``."""
    return f"{count_of(count, 'packed file')} that {'was' if count == 1 else 'were'} not looked into"


def escaped(text: str) -> str:
    """Make any text, file names with line breaks or broken encodings included, fit one line of a terminal."""
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in printable)


def point_text(point: float) -> str:
    """Say what an operating point above 0 means."""
    return f"operating point {point:g}: finds of a lower probability are left out"
