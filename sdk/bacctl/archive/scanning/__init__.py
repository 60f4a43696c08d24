"""A look through the headers of an archive, of which a manifest is made."""
