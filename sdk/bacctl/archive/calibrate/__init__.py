"""A site's own operating point, from women without BAC."""
