"""The messages of the built-in gRPC applications, as protobuf itself encodes them."""

import importlib
from typing import Any

_module: Any = importlib.import_module("servelab.served.calls_pb2")
Answer = _module.Answer
Call = _module.Call
