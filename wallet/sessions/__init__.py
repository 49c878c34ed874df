"""What an agent program proves itself with."""
