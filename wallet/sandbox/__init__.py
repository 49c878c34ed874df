"""A whole world on one machine: local chains, a local chat and the wallet between them."""
