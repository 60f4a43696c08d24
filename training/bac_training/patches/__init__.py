"""Patches: where they are drawn, and how their appearance is changed."""
