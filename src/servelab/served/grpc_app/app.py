"""gRPC on a thread pool: every workload is a method of the service.

Several processes share the port: each starts its server after the fork, with SO_REUSEPORT.
"""

import argparse
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import workloads
from calls_pb2 import Answer, Call
from grpc_processes import run_in_processes


def method(name: str) -> grpc.RpcMethodHandler:
    """Return the method that does a workload."""
    workload = workloads.load(name)
    workload.prepare()

    def call(message: Call, context: grpc.ServicerContext) -> Answer:
        with workloads.counted(message.nonce):
            try:
                parameters = workloads.parse(name, message.parameters)
            except workloads.BadParameters as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            answer = workloads.answer(message.nonce, workload.work(parameters))
            return Answer(**answer | {"result": json.dumps(answer["result"])})

    return grpc.unary_unary_rpc_method_handler(call, Call.FromString, Answer.SerializeToString)


def serve(arguments: argparse.Namespace) -> None:
    """Answer until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    methods = {name: method(name) for name in workloads.mounted()}
    server = grpc.server(
        ThreadPoolExecutor(arguments.threads),
        options=[("grpc.so_reuseport", int(arguments.processes > 1))],
    )
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(workloads.SERVICE, methods)]
    )
    server.add_insecure_port(arguments.bind)
    server.start()
    stop.wait()
    server.stop(grace=1).wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve the workloads with gRPC.")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=50)
    arguments: Any = parser.parse_args()
    run_in_processes(lambda: serve(arguments), processes=arguments.processes)


if __name__ == "__main__":
    main()
