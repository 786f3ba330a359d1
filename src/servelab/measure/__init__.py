"""The measurer: one call makes one trial."""
