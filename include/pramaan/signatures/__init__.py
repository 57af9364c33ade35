"""Signature images: accepted formats, cleaned SVG, one stored form."""
