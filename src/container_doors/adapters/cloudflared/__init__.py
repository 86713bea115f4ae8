"""Cloudflare's tunnel."""
