"""FastAPI with a process pool: the event loop stays free while other processes work.

The variable POOL_PROCESSES says how many; without it, one for each CPU.
"""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import workloads
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

POOL_PROCESSES = int(os.environ.get("POOL_PROCESSES", os.cpu_count() or 1))


def prepare() -> None:
    """Let a process of the pool import what the work needs."""
    for name in workloads.mounted():
        workloads.load(name).prepare()


def work(name: str, parameters: Any) -> dict[str, Any]:
    """Do the work of one call in a process of the pool."""
    return workloads.load(name).work(parameters)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start all processes of the pool with the server, and end them with it."""
    # A forked child would inherit the server's listening socket and its threads' locks.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(POOL_PROCESSES, context, initializer=prepare) as pool:
        loop = asyncio.get_running_loop()
        starts = [loop.run_in_executor(pool, prepare) for _ in range(POOL_PROCESSES)]
        await asyncio.gather(*starts)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


def mount(name: str) -> None:
    """Serve GET /NAME, with the workload's parameters as the query."""

    @app.get(f"/{name}", name=name)
    async def call(request: Request) -> dict[str, Any]:
        nonce = request.headers.get(workloads.NONCE_HEADER, "")
        with workloads.counted(nonce):
            parameters = workloads.parse(name, request.query_params)
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(app.state.pool, work, name, parameters)
            return workloads.answer(nonce, result)


@app.exception_handler(workloads.BadParameters)
async def refuse(_: Request, error: workloads.BadParameters) -> JSONResponse:
    """Answer 400 with the reason."""
    return JSONResponse({"error": str(error)}, 400)


for workload_name in workloads.mounted():
    mount(workload_name)
