"""A Triton of one's own: found, started, watched, ended."""
