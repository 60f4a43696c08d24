"""The working grid: breast, resampling, normalisation, tiles."""
