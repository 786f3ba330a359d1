"""What was measured, for people: one view model, and its renderings."""
