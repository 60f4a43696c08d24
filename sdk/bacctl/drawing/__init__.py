"""Pictures of what was found: the overlay, and what a notebook shows."""
