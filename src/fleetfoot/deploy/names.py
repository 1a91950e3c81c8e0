"""The words of deploying, and the one default that a request needs; nothing heavy is imported."""

GRAPH_ENGINES = ("onnxruntime", "openvino")
"""Engines that read the graph of any network."""
ENGINES = (*GRAPH_ENGINES, "packed")
"""And the one of binary networks alone."""
BASELINES = ("eager", "compile")
"""Engines of torch, which are timed beside the others and never deployed."""
TIMED_ENGINES = (*BASELINES, *ENGINES)
PRECISIONS = ("float32", "bfloat16", "float16", "int8", "w1a1")
"""w1a1: weights and activations of one bit, what `packed` computes in and no other engine."""
EXPORT_ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""The engine that says whether a format of ``deploy --to`` answers as the network does."""
MAX_DROP = 0.01
"""Share of the gate images that a form may lose, where nobody says otherwise."""
