"""Flask: every workload is mounted at its name."""

from typing import Any

import workloads
from flask import Flask, request

app = Flask(__name__)


def mount(name: str) -> None:
    """Serve GET /NAME, with the workload's parameters as the query."""
    workload = workloads.load(name)
    workload.prepare()

    @app.get(f"/{name}", endpoint=name)
    def call() -> dict[str, Any]:
        nonce = request.headers.get(workloads.NONCE_HEADER, "")
        with workloads.counted(nonce):
            parameters = workloads.parse(name, request.args)
            return workloads.answer(nonce, workload.work(parameters))


@app.errorhandler(workloads.BadParameters)
def refuse(error: workloads.BadParameters) -> tuple[dict[str, str], int]:
    """Answer 400 with the reason."""
    return {"error": str(error)}, 400


for workload_name in workloads.mounted():
    mount(workload_name)
