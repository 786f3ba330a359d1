"""The whole tool as a program, with the faulty server in its catalogue: argv is servelab's."""

from servelab.cli import main
from servelab.measure import machinery
from tests.faults import world

if __name__ == "__main__":
    real = machinery.real
    machinery.real = lambda: world.quick(real=real)
    world.shorten_the_ceiling()
    with world.in_the_catalogue():
        main()
