"""`python -m servelab`."""

from servelab.cli import main

main()
