"""The breast of the phantom: tissue, ligaments, ducts and plain vessels."""
