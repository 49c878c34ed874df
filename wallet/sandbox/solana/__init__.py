"""A local Solana node: real JSON-RPC over LiteSVM, with faults on order."""
