"""A node of the imaging network: mammograms come in by C-STORE, results go out to archives."""
