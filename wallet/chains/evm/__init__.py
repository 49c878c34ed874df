"""Ethereum and the networks that speak as it does."""
