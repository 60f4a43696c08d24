"""The breast of the random-field phantom: outline, tissue, plain vessels."""
