"""The statistics of servelab, put to the test on hosts whose truth is known."""
