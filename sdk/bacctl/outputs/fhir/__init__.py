"""An exam as FHIR R4: a bundle of a DiagnosticReport and its Observations."""

from __future__ import annotations

from bacctl.outputs.fhir.bundle import bundle_of, fhir_files

__all__ = ["bundle_of", "fhir_files"]
