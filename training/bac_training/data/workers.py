"""What worker processes owe to the process that started them."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this worker when its parent is gone, however that ended.

    A killed parent cannot tell its workers, and they hold each other's pipes open, so that none sees an end:
    they would wait for work for ever.
    """
    # As in `bac_phantom.dataset`: evaluation and folders of a group's own do without the phantom.
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
