"""Every code that an error or a warning of bacctl can carry, with its meaning and advice.

``docs/errors.md`` is made from it by ``scripts/errors_page.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bac_terms.codes.archives import ARCHIVES
from bac_terms.codes.entry import CodeEntry, Status
from bac_terms.codes.images import IMAGES
from bac_terms.codes.remarks import REMARKS
from bac_terms.codes.results import RESULTS
from bac_terms.codes.running import RUNNING

__all__ = ["CATALOGUE", "CodeEntry", "Status"]

CATALOGUE: Mapping[str, CodeEntry] = MappingProxyType({**IMAGES, **RESULTS, **RUNNING, **ARCHIVES, **REMARKS})
