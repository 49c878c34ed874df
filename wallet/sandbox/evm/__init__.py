"""A local EVM node: real JSON-RPC over py-evm or anvil, with faults on order."""
