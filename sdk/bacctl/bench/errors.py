"""The one error of a benchmark."""


class BenchError(Exception):
    """It cannot be measured; the text is one line that says what to do."""
