#!/usr/bin/env python3
"""Runs in a web pod beside nginx: echoes UDP, accepts TCP connections that it never answers, and is the
slow application that nginx asks for /slow/.

usage: pod_server.py UDP_PORT MUTE_PORT DIR    (DIR/udp.log gets a JSON line for each datagram)
"""

import json
import selectors
import socket
import sys
import threading
import time
from pathlib import Path

SLOWNESS = 0.15     # seconds
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nat last\n"


def dual_stack(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    return sock


def answer_late(connection):
    connection.recv(65535)
    time.sleep(SLOWNESS)
    connection.sendall(ANSWER)
    connection.close()


def main(udp_port, mute_port, directory):
    udp, mute = dual_stack(socket.SOCK_DGRAM, udp_port), dual_stack(socket.SOCK_STREAM, mute_port)
    slow = socket.socket(socket.AF_UNIX)
    slow.bind(str(directory / "slow.sock"))
    for listener in (mute, slow):
        listener.listen(64)
    held = []  # connections are kept, or their end would be an answer
    waiting = selectors.DefaultSelector()
    for sock in (udp, mute, slow):
        waiting.register(sock, selectors.EVENT_READ)
    with open(directory / "udp.log", "a", buffering=1) as log:
        while True:
            for key, _ in waiting.select():
                if key.fileobj is mute:
                    held.append(mute.accept()[0])
                    continue
                if key.fileobj is slow:
                    threading.Thread(target=answer_late, args=slow.accept()[:1], daemon=True).start()
                    continue
                data, peer = udp.recvfrom(65535)
                log.write(json.dumps({"time_ns": time.time_ns(), "remote": list(peer[:2]),
                                      "id": data.split(b" ")[0].decode("latin-1")}) + "\n")
                udp.sendto(b"echo " + data, peer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
