"""Statistics: pure functions of samples, each with the source of its formula."""
