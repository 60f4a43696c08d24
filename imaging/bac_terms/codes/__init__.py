"""Codes with their meanings and advice, by what they are about; `bac_terms.catalogue` has them all."""
