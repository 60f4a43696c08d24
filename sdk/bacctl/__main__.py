"""``python -m bacctl``: the command line where the ``bacctl`` script is not on the PATH."""

from bacctl.cli import main

if __name__ == "__main__":
    main()
