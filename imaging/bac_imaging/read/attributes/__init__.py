"""What single DICOM attributes say: view, side, spacing, geometry, beam."""
