"""What ``bacctl.toml`` says: where it is looked for, what may stand in it, how it reaches the commands."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bacctl.cli.guard import UsageError, describe_os_error
from bacctl.cli.options import SERVER_OPTIONS

NAME = "bacctl.toml"


@dataclass(frozen=True)
class Settings:
    """One settings file, checked."""

    path: Path | None = None  # the file; None where there is none
    # by command and parameter, as typer takes it: what holds unless a flag or a variable says otherwise
    defaults: dict[str, Any] = field(default_factory=dict)


def read_settings(given: Path | None, commands: Mapping[str, Any]) -> Settings:
    """Find and read the settings file.

    `given` is what ``--config`` says: None looks for `NAME`, and an empty file such as /dev/null stands for
    none. The options of `commands` are what may stand in the file.

    Raises
    ------
    UsageError
        The file cannot be read, belongs to somebody else, or holds what no command knows; one line that names
        the file, and the nearest key there is.
    """
    path = given or find_settings(Path.cwd())
    if path is None:
        return Settings()
    try:
        # Windows has no such owners.
        if given is None and hasattr(os, "geteuid") and _owner(path) not in (0, os.geteuid()):
            # Whoever wrote it would choose the server that images are sent to.
            raise UsageError(f"{path}: belongs to another user; give it with --config if you trust it")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{describe_os_error(error)}; check the settings file") from None
    return Settings(path, _defaults(path, _parsed(path, data), commands))


def find_settings(start: Path) -> Path | None:
    """Look for the settings file: in `start`, an absolute path, and the folders above it.

    Up to the root of a repository (which holds ``.git``) or the home folder; then ``bacctl/bacctl.toml`` in
    ``$XDG_CONFIG_HOME`` or ``~/.config``.
    """
    home = Path(os.path.expanduser("~"))
    for folder in (start, *start.parents):
        if (folder / NAME).is_file():
            return folder / NAME
        if folder == home or (folder / ".git").exists():
            break
    own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "bacctl" / NAME
    return own if own.is_file() else None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like another one."""
    return max(known, key=lambda other: difflib.SequenceMatcher(None, name, other).ratio())


def option_keys(command: Any) -> dict[str, Any]:
    """Give the options of a command by the key they have in the file: the flag without its dashes.

    Without those that are no settings, such as ``--json``: neither file nor environment holds them.
    """
    keys = {}
    for parameter in command.params:
        flags = [flag[2:] for flag in parameter.opts if flag.startswith("--")]
        if flags and parameter.allow_from_autoenv:
            keys[flags[0]] = parameter
    return keys


def _owner(path: Path) -> int:
    return path.stat().st_uid


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    # tomllib came with Python 3.11; tomli is the same code for 3.10.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document: dict[str, Any] = toml.loads(data.decode("utf-8-sig"))
        return document
    except ValueError as error:  # no UTF-8, or no TOML
        raise UsageError(f"{path}: {error}") from None


def _defaults(path: Path, document: Mapping[str, Any], commands: Mapping[str, Any]) -> dict[str, Any]:
    for_all = {key: value for key, value in document.items() if key not in commands}
    for key in for_all:
        if key not in SERVER_OPTIONS:
            raise _unknown(path, key, (*SERVER_OPTIONS, *commands), "")
    return {
        name: _of_command(path, name, document.get(name, {}), for_all, command)
        for name, command in commands.items()
    }


def _of_command(path: Path, where: str, own: Any, for_all: Mapping[str, Any], command: Any) -> dict[str, Any]:
    if not isinstance(own, Mapping):
        raise UsageError(f"{path}: {where}: is a command; put its settings below [{where}]")
    keys = option_keys(command)
    below: Mapping[str, Any] = getattr(command, "commands", {})
    values = {}
    # Not for serve, whose options of the same names are about what it is, and not whom it calls.
    calls = {key: value for key, value in for_all.items() if key in keys and "url" in keys}
    for title, table in (("", calls), (f"{where}.", own)):
        for key, value in table.items():
            if key in keys:
                values[keys[key].name] = _value(path, f"{title}{key}", keys[key], value)
            elif key not in below:
                raise _unknown(path, key, (*keys, *below), title)
    for name, subcommand in below.items():
        values[name] = _of_command(path, f"{where}.{name}", own.get(name, {}), for_all, subcommand)
    return values


def _unknown(path: Path, key: str, known: Iterable[str], where: str) -> UsageError:
    return UsageError(f"{path}: {where}{key}: unknown; the nearest is {where}{nearest(key, known)}")


def _value(path: Path, where: str, parameter: Any, value: Any) -> Any:
    """Give a value the form that it has on the command line, so that one place checks both."""
    if isinstance(value, bool):
        if not parameter.is_flag:  # it would pass for the number 1
            raise UsageError(f"{path}: {where}: takes a value, and not true or false")
        return value
    if isinstance(value, list) and parameter.multiple:
        return [_value(path, where, parameter, one) for one in value]
    if not isinstance(value, (str, int, float)):
        raise UsageError(f'{path}: {where}: takes one value, such as {where} = "..."')
    if isinstance(value, str) and parameter.metavar in ("FILE", "DIR"):
        # Where the command is run from must not change what the file means.
        return str(path.resolve().parent / os.path.expanduser(value))
    return str(value)
