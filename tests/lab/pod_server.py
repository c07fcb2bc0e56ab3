#!/usr/bin/env python3
"""Runs in a web pod beside nginx: echoes UDP, and accepts TCP connections that it never answers.

usage: pod_server.py UDP_PORT MUTE_PORT LOG    (one JSON line in LOG for each datagram)
"""

import json
import selectors
import socket
import sys
import time


def dual_stack(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    return sock


def main(udp_port, mute_port, log_path):
    udp, mute = dual_stack(socket.SOCK_DGRAM, udp_port), dual_stack(socket.SOCK_STREAM, mute_port)
    mute.listen(64)
    held = []  # connections are kept, or their end would be an answer
    waiting = selectors.DefaultSelector()
    waiting.register(udp, selectors.EVENT_READ)
    waiting.register(mute, selectors.EVENT_READ)
    with open(log_path, "a", buffering=1) as log:
        while True:
            for key, _ in waiting.select():
                if key.fileobj is mute:
                    held.append(mute.accept()[0])
                    continue
                data, peer = udp.recvfrom(65535)
                log.write(json.dumps({"time_ns": time.time_ns(), "remote": list(peer[:2]),
                                      "id": data.split(b" ")[0].decode("latin-1")}) + "\n")
                udp.sendto(b"echo " + data, peer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
