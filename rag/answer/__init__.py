"""Passages to answers: reading, composing, conflicts between versions."""
