"""Real images with labels instead of masks."""
