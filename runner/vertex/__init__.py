"""Gemini on Vertex AI: the one room that talks to Google."""
