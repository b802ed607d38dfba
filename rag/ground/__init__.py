"""Grounding: how far a claim is supported by the union of its evidence."""
