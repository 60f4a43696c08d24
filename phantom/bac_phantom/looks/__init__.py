"""From the linear detector signal to what is stored: raw, processed for presentation, digitised film."""

from bac_phantom.looks.film import film
from bac_phantom.looks.presentation import presentation
from bac_phantom.looks.raw import LOG_SLOPES, raw_linear, raw_log
from bac_phantom.looks.stored import Look, Stored, VoiTable, Window

__all__ = [
    "LOG_SLOPES",
    "Look",
    "Stored",
    "VoiTable",
    "Window",
    "film",
    "presentation",
    "raw_linear",
    "raw_log",
]
