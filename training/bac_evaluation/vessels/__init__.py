"""Vessels against vessels: matched, measured, and chosen by their demands."""
