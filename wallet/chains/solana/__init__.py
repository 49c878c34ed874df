"""The chain port for Solana: native payments in version-0 messages."""
