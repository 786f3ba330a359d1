"""Programs of a user's that listen by themselves."""

_HTTP_SERVER = """
import http.server
import os
import sys
import time

host, port, word = sys.argv[1:]


def answer():
    {answer}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = answer().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"""
PROTO = """
syntax = "proto3";
package shop;
message Who { string name = 1; }
message Greeting { string text = 1; }
service Greeter { rpc Greet(Who) returns (Greeting); }
"""
GREETER = """
import sys
from concurrent import futures

import grpc

word, port = sys.argv[1:]


def greet(message, context):
    name = message[2:].decode()  # field 1: its tag, its length, its text
    if name == "mallory":
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
    text = f"{word}, {name}".encode()
    return bytes([10, len(text)]) + text


server = grpc.server(futures.ThreadPoolExecutor(4))
methods = {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Greeter", methods)])
server.add_insecure_port(f"127.0.0.1:{port}")
server.start()
server.wait_for_termination()
"""


def http_server(*answer: str) -> str:
    """Return one whose arguments are host, port and a word; `answer` are lines that return text."""
    return _HTTP_SERVER.format(answer="\n    ".join(answer))
