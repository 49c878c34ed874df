"""The store: one SQLite file behind tortoise models, migrations and short units of work."""
