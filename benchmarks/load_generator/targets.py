"""What the load is put on: cheap servers that echo the nonce, pinned to a core of their own."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from load_generator.bench import Bench, CannotMeasure, free_address
from servelab.linux.ports import can_bind
from servelab.model.address import Address

GRPC_PATH = "/servelab.Workloads/echo"
_READY_S = 10.0
_POLL_S = 0.05

# One process, no log; kept connections are never closed by the server.
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=4096;
        default_type text/plain;
        location / {{ return 200 "$http_x_servelab_nonce"; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(bench: Bench) -> Iterator[Address]:
    """Serve the nonce as the whole body of each answer."""
    address = free_address()
    configuration = bench.folder / "nginx.conf"
    text = _NGINX.format(folder=bench.folder, address=address)
    configuration.write_text(text, encoding="utf-8")
    command = ["nginx", "-e", "stderr", "-p", str(bench.folder), "-c", str(configuration)]
    with _serving(command, address=address, bench=bench):
        yield address


@contextlib.contextmanager
def grpc_echo(bench: Bench) -> Iterator[Address]:
    """Send each gRPC message back."""
    address = free_address()
    script = Path(__file__).parents[1] / "grpc_echo_server.py"
    command = [sys.executable, str(script), str(address.port)]
    with _serving(command, address=address, bench=bench):
        yield address


@contextlib.contextmanager
def slow_server(bench: Bench, *, service: str, log: Path) -> Iterator[Address]:
    """Serve with a known service time; the log is there once the block is left."""
    address = free_address()
    script = Path(__file__).parents[1] / "stalling_server.py"
    command = [sys.executable, str(script), str(address.port), service, str(log)]
    with _serving(command, address=address, bench=bench):
        yield address


@contextlib.contextmanager
def _serving(command: list[str], *, address: Address, bench: Bench) -> Iterator[None]:
    """Run a server on the target's core until the block ends."""
    pinned = ["taskset", "--cpu-list", str(bench.target_core), *command]
    output = bench.folder / "target.log"
    with (
        output.open("wb") as file,
        subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=file, stderr=file) as process,
    ):
        try:
            _wait_until_serving(process, address=address, output=output)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_READY_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_serving(
    process: subprocess.Popen[bytes], *, address: Address, output: Path
) -> None:
    """Wait until somebody listens at the address, which was free."""
    end_s = time.monotonic() + _READY_S
    while can_bind(address):
        if process.poll() is not None or time.monotonic() > end_s:
            words = output.read_text(encoding="utf-8", errors="replace").strip()
            raise CannotMeasure(f"{process.args!r} does not serve: {words or 'it said nothing'}")
        time.sleep(_POLL_S)
