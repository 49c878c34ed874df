"""The wallet: rules, keys, chains, storage, and the doors for programs."""

__version__ = "0.1.0"
