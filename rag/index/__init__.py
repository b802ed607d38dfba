"""What is indexed: the catalog is the truth, the dense and the lexical store derive from it."""
