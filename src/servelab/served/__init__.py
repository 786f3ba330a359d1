"""What runs inside the measured server; it depends on nothing of servelab.

This folder is put on the server's path, so that its modules are top-level ones there.
"""
