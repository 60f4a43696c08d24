"""Vessels: found in probabilities, their centre lines, and what speaks for them."""
