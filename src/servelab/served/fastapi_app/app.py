"""FastAPI with `async def`: every workload is mounted at its name, and runs on the event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import workloads
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close what the workloads keep open when the server stops."""
    yield
    await workloads.close()


app = FastAPI(lifespan=lifespan)


def mount(name: str) -> None:
    """Serve GET /NAME, with the workload's parameters as the query."""
    workload = workloads.load(name)
    workload.prepare()

    @app.get(f"/{name}", name=name)
    async def call(request: Request) -> dict[str, Any]:
        nonce = request.headers.get(workloads.NONCE_HEADER, "")
        with workloads.counted(nonce):
            parameters = workloads.parse(name, request.query_params)
            return workloads.answer(nonce, await workload.work_async(parameters))


@app.exception_handler(workloads.BadParameters)
async def refuse(_: Request, error: workloads.BadParameters) -> JSONResponse:
    """Answer 400 with the reason."""
    return JSONResponse({"error": str(error)}, 400)


for workload_name in workloads.mounted():
    mount(workload_name)
