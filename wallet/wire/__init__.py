"""The versioned JSON shapes of the agent and owner apps: what validates is what the OpenAPI shows."""
