"""What several stages need to know about text: sentences, terms, numbers and language."""
