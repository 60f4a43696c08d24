"""Keeping a server going, for ``bacctl serve`` and for the container: watched, told of, started again."""
