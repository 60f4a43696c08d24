"""Keeping a server going: watched, told of, started again."""
