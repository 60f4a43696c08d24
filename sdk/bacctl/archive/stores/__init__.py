"""The two kinds of place that images, manifests and results of an archive lie in."""
