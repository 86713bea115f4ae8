"""The service over HTTP: FastAPI, uvicorn, prometheus-client and Gradio are met here alone."""
