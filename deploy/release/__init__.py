"""Changing what a function runs: the transaction, and the way back."""
