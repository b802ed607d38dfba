"""Making, training and measuring models: the only folder that imports torch.

``examples``, ``claims`` and ``tables`` make pairs of texts with targets from development data,
``mixture`` draws what a reader learns from and holds apart what measures it. All trainings share
``encoder`` and ``loop``: ``embedder``, ``reader`` and ``corpus`` (the reader, further, on a user's
own questions), a file for each command. ``export`` turns the result into ONNX.
"""
