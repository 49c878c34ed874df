"""The networks: one adapter per family, each an implementation of the Chain port."""
