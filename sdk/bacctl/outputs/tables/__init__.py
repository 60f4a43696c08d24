"""Results as tables of a whole run: Parquet, and what OMOP's imaging extension holds."""

from __future__ import annotations

from bacctl.outputs.tables.omop import omop_tables
from bacctl.outputs.tables.parquet import parquet_tables

__all__ = ["omop_tables", "parquet_tables"]
