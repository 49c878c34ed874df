"""What the core asks of the world. Each method states its guarantee; edges implement them."""
