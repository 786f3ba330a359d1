"""The load generator: a plan in, one record a request out, in a process of its own.

Roles are apart: ``schedule`` says when, ``request`` what, ``http1_lane`` and ``grpc_lane`` send,
``answers`` judges, ``record`` and ``ledger`` keep the books, ``dispatch`` brings them together,
``loop`` waits, ``engine`` is the process. ``generator`` is what the rest of servelab calls.

A check is named ``module:function``. The function is called once in the engine's process with the
decoded ``check_parameters`` and returns ``check(status, body, nonce)``, which gives the outcome,
the worker's pid (0 where unknown) and, unless the outcome is ``OK``, a reason in words. It is asked
only about answers of status 2xx (HTTP) or grpc-status 0 (gRPC: the body is the message); all
others have their own classes.
"""
