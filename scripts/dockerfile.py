"""Reads Dockerfiles and .dockerignore files, as far as those of this repository go."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "context_files", "expand", "ignore_rules", "ignored", "parse"]


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile.

    Attributes
    ----------
    line : int
        Where it begins, from 1.
    name : str
        ``RUN``, ``COPY`` and so on.
    flags : dict of str to str
        ``--from=build`` as ``{"from": "build"}``.
    text : str
        What follows the flags, continuation lines joined.
    """

    line: int
    name: str
    flags: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, of the JSON form or parted at spaces."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


def parse(text: str) -> list[Step]:
    """Read a Dockerfile.

    Parameters
    ----------
    text : str
        Its content; no heredocs, no other escape character than the backslash.

    Returns
    -------
    list of Step
        In order, comments left out.
    """
    steps = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            _, more = next(lines)
            if not more.lstrip().startswith("#"):
                whole = whole[:-1].rstrip() + " " + more.strip()
        name, _, rest = whole.partition(" ")
        flags = {}
        while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        steps.append(Step(number, name.upper(), flags, rest.strip()))
    return steps


def expand(text: str, values: dict[str, str]) -> str:
    """Put values in for ``$NAME`` and ``${NAME}``; a name without a value is an empty string."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], ""), text)


def context_files(root: Path, source: str) -> list[Path]:
    """List the files that ``COPY source`` takes from the build context.

    Parameters
    ----------
    root : Path
        The context, with its .dockerignore.
    source : str
        File or folder, relative to it.

    Returns
    -------
    list of Path
        Relative to the context, sorted.
    """
    rules = ignore_rules(root)
    start = root / source
    found = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
    relative = [path.relative_to(root) for path in found]
    return [path for path in relative if not ignored(path, rules)]


def ignore_rules(root: Path) -> list[str]:
    """Read the .dockerignore of a build context."""
    lines = (line.strip() for line in (root / ".dockerignore").read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def ignored(path: Path, rules: list[str]) -> bool:
    """Tell whether a path of the context stays out of the build; the last rule that fits decides."""
    out = False
    ours = [str(part) for part in (path, *path.parents) if str(part) != "."]
    for rule in rules:
        pattern = rule.removeprefix("!").strip("/")
        patterns = (pattern, pattern.removeprefix("**/"), pattern.replace("**/", "*/"))
        if any(fnmatch.fnmatch(part, one) for part in ours for one in patterns):
            out = not rule.startswith("!")
    return out
