"""The parts of the soak: mixed faults for a long time."""
