"""Nodes of a Ray cluster on this machine."""

from __future__ import annotations

from typing import Any

_TURNS = 3


def add_node(cluster: Any, **options: Any) -> Any:
    """Add a node. Ray gives one half a minute to start, which on a busy machine may be too little."""
    for turn in range(_TURNS):
        try:
            return cluster.add_node(**options)
        except Exception as error:
            if "timed out during startup" not in str(error) or turn == _TURNS - 1:
                raise
    return None
