"""Speaking with archives: C-STORE, storage commitment, DICOMweb."""
