"""servelab with a short look at the bare work, as a program of its own.

For tests that do not ask how high a ceiling is, which would take ten seconds of each environment.
"""

import sys

COMMAND = (sys.executable, "-P", __file__)
"""To be followed by the arguments."""

if __name__ == "__main__":
    from servelab.cli import main
    from servelab.measure import ceiling

    ceiling.BARE_SECONDS = 0.5
    main()
