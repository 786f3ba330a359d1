"""The servers: each file has a `SERVER`."""
