"""What tests ask servers that run for real."""

import http.client
import socket

from servelab.model.address import Address


def complaint(address: Address) -> str | None:
    """Return why nobody listens there; None where somebody does."""
    try:
        with socket.create_connection((address.host, address.port), timeout=5):
            return None
    except OSError as error:
        return repr(error)


def asked(address: Address) -> str:
    """Return the body of ``/``."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
