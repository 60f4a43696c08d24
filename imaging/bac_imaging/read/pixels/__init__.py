"""From stored pixels to a signal: codecs, padding, lookup tables, polarity."""
