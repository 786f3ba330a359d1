"""What goes with a deployment that was measured behind a front: its site, and what is said; pure.

The front that serves is one that the machine runs for all its sites. The server listens as it did
behind the front that was measured: on a unix socket where it can, which systemd makes a folder for.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from servelab import catalogue
from servelab.model.address import Address
from servelab.model.deployment import Deployment
from servelab.model.ready import TextFile
from servelab.model.trial import Trial
from servelab.report import systemd

_SOCKET = "server.sock"
_PORT = re.compile(r"[0-9]{1,5}")


def upstream(trial: Trial) -> Address | Path | None:
    """Return where a server listened behind its front; None where it had none, or nobody knows."""
    if trial.front is None:
        return None
    host, _, place = trial.front.upstream.partition(":")
    if trial.front.is_on_unix_socket:
        return Path(place)
    return Address(host, int(place)) if _PORT.fullmatch(place) else None


def socket(trial: Trial, *, name: str) -> Path | None:
    """Return where a server is to listen; None: at an address, as it did."""
    is_on_socket = trial.front is not None and trial.front.is_on_unix_socket
    return Path(systemd.RUN) / name / _SOCKET if is_on_socket else None


def unit_socket(deployment: Deployment, *, trial: Trial, name: str) -> systemd.Socket | None:
    """Return what a unit must do for the socket of a server behind a front; None without one."""
    front = catalogue.front_of(deployment)
    if front is None or socket(trial, name=name) is None:
        return None
    return systemd.Socket(folder=name, group=front.group)


def files(
    deployment: Deployment, *, trial: Trial, name: str, address: Address
) -> Iterable[TextFile]:
    """Yield the site of a deployment behind a front; nothing without one."""
    front = catalogue.front_of(deployment)
    if front is not None:
        request = catalogue.SiteRequest(
            name=name,
            upstream=socket(trial, name=name) or address,
            protocol=catalogue.protocol_of(deployment),
            longest_answer_s=trial.timeout_s,
        )
        yield TextFile(name=_file(name, front=front), text=front.site(request))


def notes(deployment: Deployment, *, trial: Trial, name: str) -> Iterable[str]:
    """Yield what is to be done with the site, and how it differs from what was measured."""
    front = catalogue.front_of(deployment)
    if front is None:
        return
    yield (
        f"{_file(name, front=front)} is a site for the {front.name} that this machine runs: put it "
        f"into {front.sites}, name its host, and have {front.name} read it."
    )
    if trial.front is not None:
        yield (
            f"{front.name} was measured with the settings in {trial.front.configuration}; how many "
            "workers and connections it has is its own file's affair, not the site's."
        )


def _file(name: str, *, front: catalogue.Front) -> str:
    return f"{name}.{front.name}.conf"
