#!/usr/bin/env python3
"""Runs in a web pod beside nginx: echoes UDP, accepts TCP connections that it never answers, breaks others off in the
middle of an answer, and is what nginx asks for /slow/, /varied/ and /socket/ (a WebSocket).

usage: pod_server.py UDP_PORT MUTE_PORT BREAK_PORT DIR
DIR/udp.log gets a JSON line for each datagram, DIR/broken.log one for each request that was broken off.
"""

import base64
import hashlib
import json
import random
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path

SLOWNESS = 0.15     # seconds; under /varied/ each request takes its own time, between these
SHORTEST, LONGEST = 0.1, 0.5
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nat last\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"the first half\n" * 600
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"    # RFC 6455 §1.3


def dual_stack(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    return sock


def local(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    return sock


def answer_late(connection, _log):
    is_varied = connection.recv(65535).startswith(b"GET /varied/")
    time.sleep(random.uniform(SHORTEST, LONGEST) if is_varied else SLOWNESS)
    connection.sendall(ANSWER)
    connection.close()


def break_off(connection, log):
    """Half an answer, then a reset."""
    head = connection.recv(65535)
    log({"uri": head.split(b" ")[1].decode("latin-1"), "remote": connection.getpeername()[:2],
         "local": [connection.getsockname()[0].removeprefix("::ffff:"), connection.getsockname()[1]]})
    connection.sendall(HALF)
    time.sleep(0.05)    # or the reset would overtake what is not yet read
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def echo_messages(connection, _log):
    """Take the upgrade to a WebSocket and send each small message back, until the client closes."""
    stream = connection.makefile("rb")
    key = b""
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        key = value.strip() if name.lower() == b"sec-websocket-key" else key
    accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while len(start := stream.read(2)) == 2:
        mask, text = stream.read(4), stream.read(start[1] & 0x7f)
        text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        connection.sendall(bytes([start[0], len(text)]) + text)
        if start[0] & 15 == 8:
            break
    connection.close()


def main(udp_port, mute_port, break_port, directory):
    udp, mute = dual_stack(socket.SOCK_DGRAM, udp_port), dual_stack(socket.SOCK_STREAM, mute_port)
    answers = {dual_stack(socket.SOCK_STREAM, break_port): break_off,
               local(directory / "slow.sock"): answer_late, local(directory / "socket.sock"): echo_messages}
    held = []  # connections are kept, or their end would be an answer
    waiting = selectors.DefaultSelector()
    for sock in (mute, *answers):
        sock.listen(64)
    for sock in (udp, mute, *answers):
        waiting.register(sock, selectors.EVENT_READ)
    with (open(directory / "udp.log", "a", buffering=1) as log,
          open(directory / "broken.log", "a", buffering=1) as broken):
        while True:
            for key, _ in waiting.select():
                if key.fileobj is mute:
                    held.append(mute.accept()[0])
                    continue
                if key.fileobj in answers:
                    arguments = key.fileobj.accept()[0], lambda line: broken.write(json.dumps(line) + "\n")
                    threading.Thread(target=answers[key.fileobj], args=arguments, daemon=True).start()
                    continue
                data, peer = udp.recvfrom(65535)
                log.write(json.dumps({"time_ns": time.time_ns(), "remote": list(peer[:2]),
                                      "id": data.split(b" ")[0].decode("latin-1")}) + "\n")
                udp.sendto(b"echo " + data, peer)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), Path(sys.argv[4]))
