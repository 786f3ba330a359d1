"""gRPC on asyncio: every workload is a method of the service.

Several processes share the port: each starts its server after the fork, with SO_REUSEPORT.
"""

import argparse
import asyncio
import json
import signal
from typing import Any

import grpc.aio
import workloads
from calls_pb2 import Answer, Call
from grpc_processes import run_in_processes


def method(name: str) -> grpc.RpcMethodHandler:
    """Return the method that does a workload."""
    workload = workloads.load(name)
    workload.prepare()

    async def call(message: Call, context: grpc.aio.ServicerContext) -> Answer:
        with workloads.counted(message.nonce):
            try:
                parameters = workloads.parse(name, message.parameters)
            except workloads.BadParameters as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            answer = workloads.answer(message.nonce, await workload.work_async(parameters))
            return Answer(**answer | {"result": json.dumps(answer["result"])})

    return grpc.unary_unary_rpc_method_handler(call, Call.FromString, Answer.SerializeToString)


async def serve(arguments: argparse.Namespace) -> None:
    """Answer until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    methods = {name: method(name) for name in workloads.mounted()}
    server = grpc.aio.server(options=[("grpc.so_reuseport", int(arguments.processes > 1))])
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(workloads.SERVICE, methods)]
    )
    server.add_insecure_port(arguments.bind)
    await server.start()
    await stop.wait()
    await server.stop(grace=1)
    await workloads.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve the workloads with gRPC on asyncio.")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("--processes", type=int, default=1)
    arguments: Any = parser.parse_args()
    run_in_processes(lambda: asyncio.run(serve(arguments)), processes=arguments.processes)


if __name__ == "__main__":
    main()
