"""What the owner is told: messages without channel words, and the outbox that delivers them."""
