"""A client of HTTP/2, in clear with prior knowledge (RFC 9113 §3.3) or inside TLS, and of gRPC's unary calls."""

import sys
import time

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import (ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset,
                           TrailersReceived)
except ModuleNotFoundError:
    sys.exit("Python's h2 is missing; install it with: pip install h2")

from http1 import begin, describe, headers
from wire import connect, reason, secure

GRPC_EMPTY = bytes(5)       # a message of no bytes, with its prefix


def talk(address, job, bare):
    """The exchanges of one connection: all its requests at once, or in turn."""
    sock, error = connect(address, job, bare)
    if error:
        return [{**bare, **describe(job["requests"][0]), "error": error, "ended_ns": time.time_ns()}]
    if job.get("tls"):
        sock = secure(sock, job["tls"], ["h2"])
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    exchanges = []
    step = len(job["requests"]) if job.get("multiplexed") else 1
    for first in range(0, len(job["requests"]), step):
        exchanges += several(sock, connection, job["requests"][first:first + step], bare, first)
    connection.close_connection()
    sock.sendall(connection.data_to_send())
    sock.close()
    return exchanges


def several(sock, connection, requests, bare, first):
    streams = {}
    for number, request in enumerate(requests, first):
        stream = connection.get_next_available_stream_id()
        streams[stream] = exchange = begin(bare, request, number)
        exchange["reply_bytes"] = 0
        body = GRPC_EMPTY if request.get("grpc") else bytes(request.get("body", 0))
        connection.send_headers(stream, list(fields(request, bare)), end_stream=not body)
        if body:
            connection.send_data(stream, body, end_stream=True)
    sock.sendall(connection.data_to_send())
    exchanges, waiting = list(streams.values()), dict(streams)
    try:
        while waiting:
            data = sock.recv(65535)
            if not data:
                raise ValueError("closed without an answer")
            for event in connection.receive_data(data):
                note(event, connection, waiting)
            sock.sendall(connection.data_to_send())
    except (OSError, ValueError) as problem:
        for exchange in waiting.values():
            exchange.update(error=reason(problem), ended_ns=time.time_ns())
    return exchanges


def fields(request, bare):
    yield from ((":method", request["method"]), (":path", request["path"]), (":authority", request["host"]),
                (":scheme", "https" if bare["tls"] else "http"))
    if request.get("grpc"):
        yield from (("content-type", "application/grpc"), ("te", "trailers"))
    yield from headers(request)


def note(event, connection, waiting):
    exchange = waiting.get(getattr(event, "stream_id", None))
    if isinstance(event, ConnectionTerminated):
        raise ValueError("the server ended the connection")
    if exchange is None:
        return
    if isinstance(event, ResponseReceived):
        exchange["status"] = int(dict(event.headers)[b":status"])
    if isinstance(event, TrailersReceived):
        exchange["grpc_status"] = int(dict(event.headers).get(b"grpc-status", b"-1"))
    if isinstance(event, DataReceived):
        exchange["reply_bytes"] += len(event.data)
        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    if isinstance(event, StreamReset):
        exchange["error"] = f"stream reset {int(event.error_code)}"
    if isinstance(event, (StreamEnded, StreamReset)):
        exchange["ended_ns"] = time.time_ns()
        waiting.pop(event.stream_id)
