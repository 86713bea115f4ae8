"""ONNX Runtime: exported networks, without PyTorch."""
