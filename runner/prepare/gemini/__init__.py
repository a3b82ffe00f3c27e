"""Offline judge of Gemini tuning files, line by line, with the cure for the usual mistakes."""
