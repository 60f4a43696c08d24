"""What the science and the SDK have in common: codes, errors, warnings, the beam. Standard library only."""
