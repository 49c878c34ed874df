"""What assets cost in dollars: one module per provider, and the panel that makes them agree."""
