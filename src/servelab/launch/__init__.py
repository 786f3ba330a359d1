"""Start a server under a supervisor, see that it is ready, sample it, stop it."""
