"""How a user's variables come into a unit: by their names, from files that are the user's; pure.

No value is written: what is a secret cannot be told from a name.
"""

from collections.abc import Iterable

from msgspec import Struct

from servelab.model.ready import EnvironmentFile
from servelab.model.service import Service
from servelab.report import systemd_variables
from servelab.report.plain_text import name as name_of
from servelab.report.systemd import VariablesFile

_USUAL_FILE = ".env"


class UnitVariables(Struct, frozen=True, kw_only=True):
    """Where a unit has the variables from with which a service was measured."""

    there: str | None
    """The project's file, if systemd reads any of them there as it was measured."""
    to_make: str
    """The file that its user makes, with all others."""
    missing: tuple[str, ...]
    """Names of what has to be in it."""
    otherwise: tuple[str, ...]
    """Those of `missing` that systemd would read otherwise in the project's file."""
    impossible: tuple[str, ...]
    """Names that systemd sets from no file."""

    @property
    def files(self) -> tuple[VariablesFile, ...]:
        """Return the files in the order in which systemd reads them: the last one wins."""
        there = () if self.there is None else (VariablesFile(path=self.there),)
        made = (VariablesFile(path=self.to_make, names=self.missing),) if self.missing else ()
        return (*there, *made)

    def notes(self) -> Iterable[str]:
        """Yield what its user has to do and to know, one sentence each."""
        if self.otherwise:
            yield (
                f"systemd would not read {_listed(self.otherwise)} in the project's {_USUAL_FILE} "
                "as it was measured."
            )
        if self.missing:
            yield (
                f"No file has the value of {_listed(self.missing)}: the unit reads it from "
                f"{self.to_make}, as NAME=value, and does not start without that file."
            )
        elif self.there is not None:
            yield (
                f"systemd reads {self.there} as lines of NAME=value, without `export` and without "
                "variables in values."
            )
        if self.impossible:
            yield (
                f"systemd sets no variable called {_listed(self.impossible)}; call it otherwise, "
                "with letters, digits and _ alone."
            )


def of_service(service: Service, *, file: EnvironmentFile | None, name: str) -> UnitVariables:
    """Return where a service called `name` has its variables from; `file` is the project's."""
    read = {} if file is None else dict(file.variables)
    missing = tuple(
        (each, value)
        for each, value in service.variables
        if systemd_variables.is_name(each) and read.get(each) != value
    )
    own = name if file is not None else ""
    return UnitVariables(
        there=file.path if file is not None and _agree(service, read) else None,
        to_make=f"{service.directory}/{own}{_USUAL_FILE}",
        missing=tuple(each for each, _ in missing),
        otherwise=tuple(each for each, _ in missing if each in read),
        impossible=tuple(
            each for each, _ in service.variables if not systemd_variables.is_name(each)
        ),
    )


def _agree(service: Service, read: dict[str, str]) -> bool:
    return any(read.get(name) == value for name, value in service.variables)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(name_of, names))
