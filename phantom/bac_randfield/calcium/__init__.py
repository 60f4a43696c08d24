"""What is dense in the random-field phantom: calcified arteries and other calcifications."""
