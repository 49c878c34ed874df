"""The owner's console in Telegram: no rules, no storage."""
