"""Making, training and measuring models: the only folder that imports torch.

``examples``, ``claims`` and ``tables`` make pairs of texts with targets from development data,
``mixture`` draws what a reader learns from and holds apart what measures it. All trainings share
``encoder`` and ``loop``: ``embedder``, ``checker``, ``reader`` and ``corpus`` (the reader, further,
on a user's own questions), a file for each command. ``export`` turns the result into ONNX, which
``base`` reads back.

A further model is a file beside ``reader``: a ``loop.Plan``, a module over ``load_encoder``,
examples as numbers, a loss for ``loop.run``, ``write_graph`` of ``encoder.Headed``.
"""
