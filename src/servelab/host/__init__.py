"""The machine: its facts."""
