"""The report of an exam as one page that needs nothing else, and the same printed as PDF."""

from __future__ import annotations

from bacctl.outputs.html.make import html_files, report_html

__all__ = ["html_files", "report_html"]
