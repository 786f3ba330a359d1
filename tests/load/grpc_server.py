"""A real gRPC server for the tests: prints its port, then, at the end, what it received."""

import asyncio
import importlib
import json
import os
import signal
import sys
from typing import Any

import grpc.aio

from servelab.served import workloads

received: list[str] = []
CALLS: Any = importlib.import_module("servelab.served.calls_pb2")
CPU = workloads.load("cpu")


def answer(call: Any, result: object) -> Any:
    received.append(call.nonce)
    return CALLS.Answer(nonce=call.nonce, pid=os.getpid(), result=json.dumps(result))


async def cpu(call: Any, _context: grpc.aio.ServicerContext) -> Any:
    return answer(call, CPU.work(workloads.parse("cpu", call.parameters)))


async def large(call: Any, _context: grpc.aio.ServicerContext) -> Any:
    return answer(call, "x" * 5_000_000)


async def slow(call: Any, _context: grpc.aio.ServicerContext) -> Any:
    await asyncio.sleep(0.1)
    return answer(call, "")


async def abort(call: Any, context: grpc.aio.ServicerContext) -> Any:
    received.append(call.nonce)
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no, because ü")
    raise AssertionError


async def wrong(call: Any, _context: grpc.aio.ServicerContext) -> Any:
    received.append(call.nonce)
    return CALLS.Answer(nonce="another", pid=os.getpid(), result="{}")


async def metadata(call: Any, context: grpc.aio.ServicerContext) -> Any:
    told = dict(context.invocation_metadata() or ())
    received.append(f"{told['x-servelab-nonce']} {told.get('x-own')} {call.nonce}")
    return CALLS.Answer(nonce=call.nonce, pid=7, result=call.parameters["num"])


async def main() -> None:
    methods = {
        method.__name__: grpc.unary_unary_rpc_method_handler(
            method, CALLS.Call.FromString, CALLS.Answer.SerializeToString
        )
        for method in (cpu, large, slow, abort, wrong, metadata)
    }
    options = [(name, int(value)) for name, value in (each.split("=") for each in sys.argv[1:])]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(workloads.SERVICE, methods)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop(grace=None)
    sys.stdout.write(json.dumps(received))


if __name__ == "__main__":
    asyncio.run(main())
