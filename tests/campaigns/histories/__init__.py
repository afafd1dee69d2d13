"""Histories of a brokerage as Hypothesis tells them, played by the product and by the plain reference at once."""
