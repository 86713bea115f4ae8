"""OpenVINO: exported networks, without PyTorch."""
