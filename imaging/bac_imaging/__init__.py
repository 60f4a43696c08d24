"""Mammograms as numbers: reading, breast region, working grid, tiles, background, mass.

The package knows neither the server nor any network. Serving, training and evaluation all use it, so
that what a network is trained on is what it is served with.

Importing the package loads none of its modules: each is imported by name
(``from bac_imaging.read.reader import read_mammogram``) and brings only what it needs itself.
Research use only.
"""
