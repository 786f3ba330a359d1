"""The frozen values that cross layers; this package imports nothing else of servelab."""
