#!/usr/bin/env python3
"""Runs on a node: what goes out by a tun device leaves in IP packets of protocol 4, and what comes in them comes
out of it.

usage: ipip_tunnel.py DEVICE CIDR=NODE…    (until SIGTERM)
"""

import fcntl
import ipaddress
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LONGEST = 65536


def main(device, *routes):
    peers = [(ipaddress.ip_network(cidr), node) for cidr, node in (route.split("=") for route in routes)]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", device.encode(), IFF_TUN | IFF_NO_PI))
    wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
    while True:
        for ready in select.select([tun, wire], [], [])[0]:
            if ready is tun:
                packet = os.read(tun, LONGEST)
                send(wire, packet, peers)
            else:
                outer = wire.recv(LONGEST)
                os.write(tun, outer[(outer[0] & 15) * 4:])


def send(wire, packet, peers):
    if packet[0] >> 4 != 4:
        return                  # the kernel's own IPv6 chatter
    target = ipaddress.ip_address(packet[16:20])
    for network, node in peers:
        if target in network:
            wire.sendto(packet, (node, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
