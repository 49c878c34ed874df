"""The clockwork: periodic jobs that hold no truth."""
