"""What all tests share."""

import signal

# A shell that starts the suite with "&" makes it ignore SIGINT, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
