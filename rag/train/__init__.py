"""Making, training and measuring models: the only folder that imports torch."""
