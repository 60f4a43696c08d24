"""Compressed pixels held against their own rules, before and after a decoder has them."""
