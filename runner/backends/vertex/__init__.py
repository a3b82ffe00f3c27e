"""Gemini on Vertex AI: the one room that Google's packages are imported in."""
