"""The client of a server: one for threads, one for event loops."""
