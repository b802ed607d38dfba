"""Answers that a language model writes: what it is sent, what becomes of what it says."""
