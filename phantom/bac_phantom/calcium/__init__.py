"""What is dense in the phantom: arteries with calcium, other calcifications, metal."""
