"""Compiled loops: one file a system. Nothing here checks its input."""
