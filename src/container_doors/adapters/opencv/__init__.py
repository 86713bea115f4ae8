"""OpenCV: exported networks without any extra, slower than in ONNX Runtime."""
