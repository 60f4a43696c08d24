"""The package's version, read from the installed metadata so that it is written down once."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("bacctl")
except PackageNotFoundError:  # a bare checkout on sys.path, not installed
    __version__ = "0+unknown"
