"""The HTTP doors: the agents' app on loopback and the owner's app on a Unix socket. No rules live here."""
