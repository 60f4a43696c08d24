"""``bacctl config``: which settings are in force, and where each comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from bacctl.cli.guard import guarded
from bacctl.cli.options import TOKEN_VARIABLE, AsJson
from bacctl.cli.settings import Settings, nearest, option_keys
from bacctl.cli.sink import Sink, form_of

# Read by bacctl itself, and not an option of a command.
_OTHER_VARIABLES = (TOKEN_VARIABLE, "BACCTL_TRACEBACK")
_FROM = {"ENVIRONMENT": "environment", "DEFAULT_MAP": "file", "DEFAULT": "default"}


@dataclass(frozen=True)
class Setting:
    """One option of a command."""

    # the command and the option's key in the file
    command: str
    key: str
    value: str | None  # what holds; None where nothing does
    source: str  # "environment", "file" or "default"
    variable: str  # the variable that would set it


@guarded
def config(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also options that have their default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which settings are in force, and where each comes from.

    A flag comes first, then the environment (BACCTL_URL for what has to do with a server, BACCTL_ANALYZE_OUT
    for --out of analyze), then bacctl.toml: the nearest from this folder upwards to the root of a repository
    or the home folder, else ~/.config/bacctl/bacctl.toml. Research use only.
    """
    root = context.find_root()
    found = settings_in_force(root)
    file = root.obj.path if isinstance(root.obj, Settings) else None
    shown = [one for one in found if everything or one.source != "default"]
    with Sink(form_of(as_json)) as sink:
        sink.text(f"settings file: {file or 'none'}")
        for one in shown:
            where = {"file": str(file), "environment": one.variable, "default": "default"}[one.source]
            sink.text(f"{one.command}.{one.key} = {'-' if one.value is None else one.value}  ({where})")
        if os.environ.get(TOKEN_VARIABLE):
            sink.text(f"a token is in {TOKEN_VARIABLE}")
        sink.document(
            {
                "file": None if file is None else str(file),
                "settings": [
                    {"command": one.command, "key": one.key, "value": one.value, "source": one.source}
                    for one in shown
                ],
            }
        )
    known = {one.variable for one in settings_in_force(root)} | {*_OTHER_VARIABLES, "BACCTL_CONFIG"}
    with Sink() as sink:
        for name in sorted(os.environ):
            if name.startswith("BACCTL_") and name not in known:
                sink.talk(f"{name}: is set and unknown; the nearest is {nearest(name, sorted(known))}")


def settings_in_force(root: Any) -> list[Setting]:
    """Ask every command, in the order of the help, what its options are without a command line.

    `root` is the typer.Context of the application.
    """
    return [
        setting
        for name, command in root.command.commands.items()
        for setting in _of_command(root, name, name, command)
    ]


def _of_command(parent: Any, title: str, name: str, command: Any) -> list[Setting]:
    # Nothing is run, and a value that does not hold is no error here: it is shown.
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    found = []
    for key, parameter in option_keys(command).items():
        source = context.get_parameter_source(parameter.name)
        value = context.params.get(parameter.name)
        shown = None if value is None or value == [] else str(getattr(value, "value", value))
        variable = parameter.envvar or f"{context.auto_envvar_prefix}_{parameter.name.upper()}"
        found.append(Setting(title, key, shown, _FROM.get(getattr(source, "name", ""), "default"), variable))
    for below, subcommand in getattr(command, "commands", {}).items():
        found += _of_command(context, f"{title}.{below}", below, subcommand)
    return found
