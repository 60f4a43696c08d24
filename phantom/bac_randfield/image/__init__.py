"""From a thickness map to files: detector, processing, looks, storage."""
