"""Locust's user: a constant rate, as near to an open loop as Locust comes."""

import os

from locust import FastHttpUser, constant_throughput, task


class Caller(FastHttpUser):
    """Asks at a rate of its own, unless an answer is late."""

    wait_time = constant_throughput(float(os.environ["BENCHMARK_RATE_PER_USER"]))

    @task
    def ask(self) -> None:
        """Send the request that all generators send."""
        self.client.get("/", headers={"x-servelab-nonce": "0" * 16})
