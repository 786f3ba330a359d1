"""Every error that servelab raises on purpose.

ServelabError                  one sentence for the user, and an exit status
├── UsageError            2    what was asked does not exist or cannot be
│   ├── UnknownName            no such stack, workload, server, setting
│   └── PortBusy               the port that was asked for belongs to somebody
├── CannotRunHere         2    this machine lacks what it takes
│   └── EnvironmentNotBuilt    the packages of a server could not be installed
├── ServerFailed          1    the measured server is at fault; a trial becomes `failed`
│   ├── ServerExited           it ended by itself
│   └── ServerNotReady         no correct answer within the time allowed
├── TrialInvalid          3    generator or host is at fault; a trial becomes `invalid`
│   └── GeneratorKilled        somebody killed the generator; its books stay open, which is no bug
├── StoreError            2    a results folder cannot be read or written
└── AuditFailed          70    servelab's own books do not balance: a bug
"""


class ServelabError(Exception):
    """An error whose text is one clear sentence with the next step."""

    exit_status = 1


class UsageError(ServelabError):
    """What was asked does not exist or cannot be."""

    exit_status = 2


class UnknownName(UsageError):
    """No such stack, workload, server or setting."""


class PortBusy(UsageError):
    """The port that was asked for belongs to somebody else."""


class CannotRunHere(ServelabError):
    """This machine lacks what it takes."""

    exit_status = 2


class EnvironmentNotBuilt(CannotRunHere):
    """The packages of a server could not be installed."""


class ServerFailed(ServelabError):
    """The measured server is at fault."""

    exit_status = 1


class ServerExited(ServerFailed):
    """The server ended by itself."""


class ServerNotReady(ServerFailed):
    """The server gave no correct answer within the time allowed."""


class TrialInvalid(ServelabError):
    """The generator or the host is at fault, not the server."""

    exit_status = 3


class StoreError(ServelabError):
    """A results folder cannot be read or written."""

    exit_status = 2


class AuditFailed(ServelabError):
    """servelab's own books do not balance: a bug in servelab."""

    exit_status = 70


class GeneratorKilled(TrialInvalid):
    """A signal from outside ended the generator: books cannot be balanced, but nobody erred."""
