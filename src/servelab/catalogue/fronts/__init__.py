"""Fronts, one file each: programs that take the connections and pass them on to a server."""
