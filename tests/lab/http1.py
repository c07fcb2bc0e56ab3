"""A client of HTTP/1.0 and 1.1 over a plain socket: one connection, any number of requests."""

import hashlib
import os
import socket
import struct
import time

from wire import connect, reason, secure


def talk(address, job, bare):
    """The exchanges of one connection; client.py's `http` says what a job may hold."""
    sock, error = connect(address, job, bare)
    if job.get("tls") and not error:
        sock = secure(sock, job["tls"])
    if error or not job["requests"]:
        # Nothing was asked: the connection itself is the exchange, under its first request's id.
        request = (job["requests"] or [{"id": job["id"]}])[0]
        return [{**bare, **describe(request), "error": error, "ended_ns": time.time_ns()}]
    stream = sock.makefile("rb")
    exchanges = pipelined(sock, stream, job, bare) if job.get("pipelined") else in_turn(sock, stream, job, bare)
    if job.get("reset"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()
    sock.close()
    return exchanges


def in_turn(sock, stream, job, bare):
    exchanges = []
    for number, request in enumerate(job["requests"]):
        if number and job.get("hold"):
            while not os.path.exists(job["hold"]):
                time.sleep(0.02)
        time.sleep(request.get("pause_before", 0))
        exchange = begin(bare, request, number)
        exchanges.append(exchange)
        try:
            send(sock, stream, request)
            end(exchange, stream)
            if request.get("frames"):
                frames(sock, stream, request["frames"])
        except (OSError, ValueError) as problem:
            exchange["error"] = reason(problem)
        exchange["ended_ns"] = time.time_ns()
        if exchange["error"]:
            break
    return exchanges


def pipelined(sock, stream, job, bare):
    """All requests at once, before the first answer."""
    exchanges = [begin(bare, request, number) for number, request in enumerate(job["requests"])]
    sock.sendall(b"".join(head(request) for request in job["requests"]))
    for exchange in exchanges:
        end(exchange, stream)
        exchange["ended_ns"] = time.time_ns()
    return exchanges


def begin(bare, request, number):
    return {**bare, **describe(request), "started_ns": time.time_ns(), "number_on_connection": number + 1}


def end(exchange, stream):
    # Each proxy may say 100 Continue of its own.
    status = 100
    while status == 100:
        status, reply_bytes = receive(stream)
    exchange["status"], exchange["reply_bytes"] = status, reply_bytes


def describe(request):
    return {"id": request["id"], "method": request.get("method"), "path": request.get("path"),
            "http_host": request.get("host"), "expect": request.get("expect"), "slow": request.get("slow")}


def trace_parent(ident):
    """A W3C trace context header's value, a different one for each id."""
    digest = hashlib.sha256(ident.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def headers(request):
    """Those of a request beside its host, in lower case as HTTP/2 wants them."""
    yield "user-agent", "lab/1"
    if request.get("alike"):
        yield "x-lab", request["id"]
    if request.get("traced"):
        yield "traceparent", trace_parent(request["id"])
    if request.get("body"):
        yield "content-length", str(request["body"])
    if request.get("patient"):
        yield "expect", "100-continue"
    if request.get("frames"):
        yield from (("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"),
                    ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="))
    if request.get("large_head"):
        yield "cookie", "basket=" + "0123456789abcdef" * (request["large_head"] // 16)
    if request.get("close"):
        yield "connection", "close"


def head(request):
    lines = [f"{request['method']} {request['path']} HTTP/{request.get('version', '1.1')}", f"Host: {request['host']}"]
    lines += [f"{name.title()}: {value}" for name, value in headers(request)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def send(sock, stream, request):
    wire = head(request)
    if request.get("unfinished"):
        sock.sendall(wire[:-2])
        return
    pieces = request.get("pieces", 1)
    size = -(-len(wire) // pieces)
    for start in range(0, len(wire), size):
        sock.sendall(wire[start:start + size])
        if pieces > 1:
            time.sleep(request.get("pause", 0.02))
    if request.get("patient") and receive(stream)[0] != 100:
        raise ValueError("no 100 Continue")
    sock.sendall(bytes(request.get("body", 0)))


def receive(stream):
    """Read one answer; give its status and the length of its body."""
    status = stream.readline().split()
    if len(status) < 2:
        raise ValueError("closed without an answer")
    fields = {}
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    if fields.get(b"transfer-encoding") == b"chunked":
        return int(status[1]), read_chunks(stream)
    if b"content-length" not in fields and status[0] == b"HTTP/1.0":
        return int(status[1]), len(stream.read())
    length = int(fields.get(b"content-length", 0))
    if len(stream.read(length)) < length:
        raise ValueError("answer cut short")
    return int(status[1]), length


def read_chunks(stream):
    total = 0
    while (size := int(stream.readline() or b"0", 16)):
        total += len(stream.read(size))
        stream.readline()
    stream.readline()
    return total


def frames(sock, stream, count):
    """Small WebSocket messages (RFC 6455 §5.2), each awaiting its echo, and a close."""
    for number in range(count):
        text = f"message {number}".encode()
        # A client must mask; a mask of zeros leaves the bytes as they are.
        sock.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
        if stream.read(2 + len(text))[2:] != text:
            raise ValueError("no echo of a message")
    sock.sendall(b"\x88\x80" + bytes(4))
    stream.read(2)
