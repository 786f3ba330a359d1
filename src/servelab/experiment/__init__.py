"""The manager: what is measured, in which order, and that each result is kept at once."""
