"""At which scores a vessel counts: demands chosen on validation women."""
