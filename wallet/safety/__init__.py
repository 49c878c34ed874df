"""Stopping: the in-memory gate and the keys of an unlocked daemon."""
