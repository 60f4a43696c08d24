"""Reading a mammogram: DICOM or a plain image in, signal and header out, or a refusal with a code."""
