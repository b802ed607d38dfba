"""A question to passages: dense and lexical candidates, score fusion, follow-up rewriting."""
