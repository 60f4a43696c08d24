"""A report of an archive: who was analysed, what was found, and whether it drifts."""
