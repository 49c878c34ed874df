"""A local Telegram: the Bot API, and a chat page where the visitor plays the owner."""
