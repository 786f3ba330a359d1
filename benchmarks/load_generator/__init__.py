"""What the load generator costs, and whether it tells the truth; see docs/generator.md."""
