"""What a run leaves in files: made beside the next image, whole or not at all."""
