"""Recognises and tries a foreign ONNX file, before it becomes a model folder."""
