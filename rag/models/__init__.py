"""Models that run here: the ONNX runtime, the shipped embedder, embedders of the hub."""
