"""The whole tool as a program, with the faulty server in its catalogue: argv is servelab's."""

from servelab.cli import main
from servelab.measure import machinery
from servelab.measure.ceiling import Ceilings
from tests.faults import world

if __name__ == "__main__":
    real = machinery.real
    machinery.real = lambda: world.quick(real=real)
    Ceilings._measured = world.known_ceiling  # type: ignore[method-assign]
    with world.in_the_catalogue():
        main()
