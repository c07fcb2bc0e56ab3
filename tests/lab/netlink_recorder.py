#!/usr/bin/env python3
"""Runs on a node and writes conntrack's netlink messages, as the kernel sends them, into a pcapng
of link type NETLINK, which Wireshark decodes.

usage: netlink_recorder.py FILE    (until SIGINT)
"""

import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
NEW, UPDATE, DESTROY = 1, 2, 4                  # the groups of conntrack's events
LINKTYPE_NETLINK = 253
ARPHRD_NETLINK, FROM_KERNEL = 824, 7            # what the kernel's own netlink monitor writes
HEADER = struct.pack("!HH10xH", FROM_KERNEL, ARPHRD_NETLINK, NETLINK_NETFILTER)


def padded(data):
    return data + bytes(-len(data) % 4)


def block(kind, body):
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


def preamble():
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    options = option(2, b"conntrack") + option(9, b"\x09") + option(0, b"")     # name, nanoseconds, end
    return block(0x0A0D0D0A, section) + block(1, struct.pack("<HHI", LINKTYPE_NETLINK, 0, 262144) + options)


def packet(message):
    now = time.time_ns()
    data = HEADER + message
    head = struct.pack("<IIIII", 0, now >> 32, now & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + padded(data))


def main(path):
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    kernel.bind((0, NEW | UPDATE | DESTROY))
    with open(path, "wb", buffering=0) as file:
        file.write(preamble())
        try:
            while True:
                file.write(packet(kernel.recv(65536)))
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main(sys.argv[1])
