"""Results on disk: append the moment a result exists, read what is intact."""
