#!/usr/bin/env python3
"""The client programs, run inside a pod, a node or the outside namespace.

Reads a plan (JSON) on stdin, carries it out, prints what happened (JSON). It speaks HTTP and DNS
over plain sockets by itself, so that it knows its own ports and when each byte was due.

plan: {"jobs": [JOB…], "concurrency": n, "resolver": {"server", "search"}}
JOB:  {"kind": "http" | "udp" | "ping" | "dns", …}; see the functions below for their keys.
Result: {"exchanges": [EXCHANGE…]} in the order of the jobs; truth.py gives them their final form.
"""

import concurrent.futures
import json
import random
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True

import http1                                                # noqa: E402
from wire import endpoint, family_of, fresh, reason         # noqa: E402

DNS_TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def main():
    plan = json.load(sys.stdin)
    doers = {"http": http, "udp": udp, "ping": ping, "dns": dns}

    def do(job):
        time.sleep(job.get("delay", 0))
        return doers[job["kind"]](job, plan.get("resolver"))

    with concurrent.futures.ThreadPoolExecutor(plan.get("concurrency", 1)) as pool:
        done = list(pool.map(do, plan["jobs"]))
    json.dump({"exchanges": [exchange for exchanges in done for exchange in exchanges]}, sys.stdout)


def resolve_first(job, resolver, exchanges):
    """The address to dial: given, or looked up by name as a program would."""
    if "name" not in job:
        return job["host"]
    lookups, address = lookup(job["name"], resolver, job.get("family"))
    exchanges += lookups
    return address


# -- HTTP --------------------------------------------------------------------------------------

def http(job, resolver):
    """One connection with any number of requests.

    host | name, port, timeout; tls (server name); local_port; reset (end with RST); hold (file to wait for after the
    first request); pipelined; h2 (HTTP/2), multiplexed (all requests at once, HTTP/2);
    requests: [{id, method, path, host, version, body, patient (100-continue), pieces, pause, close, alike (the id in a
    header instead of the path), traced (with a trace context), unfinished (the head never ends), frames (messages of a
    WebSocket), grpc}].
    """
    exchanges = []
    address = resolve_first(job, resolver, exchanges)
    if address is None:
        return exchanges
    bare = fresh(job, target=[address, job["port"]], looked_up=job.get("name"), tls=job.get("tls"))
    if job.get("h2"):
        import http2        # needs a package that only these cases do
        return exchanges + http2.talk(address, job, bare)
    return exchanges + http1.talk(address, job, bare)


# -- UDP and ICMP echo -------------------------------------------------------------------------

IP_RECVERR, IPV6_RECVERR = 11, 25   # Python has no names for these


def want_errors(sock):
    """Have the kernel tell of every ICMP error; else "host unreachable" and the like are kept from us."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def udp(job, resolver):
    """Datagrams over one socket, each awaiting its echo. host | name, port, ids, size, timeout, ttl."""
    exchanges = []
    address = resolve_first(job, resolver, exchanges)
    if address is None:
        return exchanges
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.connect((address, job["port"]))
    sock.settimeout(job.get("timeout", 2))
    want_errors(sock)
    if job.get("ttl"):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, job["ttl"])
    for ident in job["ids"]:
        exchange = fresh(job, client=endpoint(sock.getsockname()), target=[address, job["port"]])
        exchange["id"] = ident
        try:
            sock.send(ident.encode().ljust(job.get("size", 40), b" "))
            exchange["reply_bytes"] = len(sock.recv(65535))
        except OSError as problem:
            exchange["error"] = reason(problem)
        exchange["ended_ns"] = time.time_ns()
        exchanges.append(exchange)
    return exchanges


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ping(job, resolver):
    """ICMP echo over a raw socket. host, ids, size (even), timeout, ttl, icmp_id."""
    address, six = job["host"], ":" in job["host"]
    proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    sock = socket.socket(family_of(address), socket.SOCK_RAW, proto)
    sock.connect((address, 0))
    want_errors(sock)
    if job.get("ttl"):
        level = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if six else (socket.IPPROTO_IP, socket.IP_TTL)
        sock.setsockopt(*level, job["ttl"])
    icmp_id, exchanges = job.get("icmp_id") or random.randrange(1, 65536), []
    for sequence, ident in enumerate(job["ids"], 1):
        exchange = fresh(job, client=[sock.getsockname()[0], icmp_id], target=[address, 0])
        exchange["id"] = ident
        payload = ident.encode().ljust(job.get("size", 56), b" ")
        head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, icmp_id, sequence)
        # For IPv6 the kernel fills in the checksum, since it covers addresses that only it knows.
        total = 0 if six else checksum(head + payload)
        sock.send(head[:2] + struct.pack("!H", total) + head[4:] + payload)
        exchange["error"] = await_echo(sock, six, icmp_id, sequence, job.get("timeout", 2))
        exchange["ended_ns"] = time.time_ns()
        exchanges.append(exchange)
    return exchanges


def await_echo(sock, six, icmp_id, sequence, timeout):
    """None once the echo is there, else why there is none."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            break
        try:
            packet = sock.recv(65535)
        except OSError as problem:
            return reason(problem)
        reply = packet if six else packet[(packet[0] & 15) * 4:]
        if reply[0] == (129 if six else 0) and struct.unpack("!HH", reply[4:8]) == (icmp_id, sequence):
            return None
    return "timeout"


# -- DNS ---------------------------------------------------------------------------------------

def dns(job, resolver):
    """Look up a name and nothing else. name, type (absent: A and AAAA, with the search domains)."""
    exchanges = []
    if "type" in job:
        ask(job["name"], [job["type"]], resolver, exchanges)
    else:
        exchanges, _ = lookup(job["name"], resolver)
    for exchange in exchanges:
        exchange["expect"] = job.get("expect")
    return exchanges


def lookup(name, resolver, family=None):
    """Resolve as the C library does: try the search domains in order when the name has few dots,
    and ask for A and AAAA at the same time. Gives the queries made and the first address."""
    exchanges = []
    relative = [] if name.endswith(".") else [f"{name}.{domain}" for domain in resolver["search"]]
    absolute = [name.rstrip(".")]
    enough_dots = name.count(".") >= resolver.get("ndots", 5)
    for candidate in absolute + relative if enough_dots else relative + absolute:
        answers = ask(candidate, ["A", "AAAA"], resolver, exchanges)
        if answers is None:      # a server that does not answer ends the search
            break
        wanted = [a for a in answers if (":" in a) == (family == 6)]
        if wanted:
            return exchanges, wanted[0]
    return exchanges, None


def ask(name, types, resolver, exchanges):
    """Send the questions from one socket, again after the timeout; give the addresses, or None."""
    for _ in range(resolver.get("attempts", 2)):
        sock = socket.socket(family_of(resolver["server"]), socket.SOCK_DGRAM)
        sock.connect((resolver["server"], 53))
        sock.settimeout(resolver.get("timeout", 2.5))
        open_queries = {}
        for kind in types:
            ident = random.randrange(65536)
            open_queries[ident] = query = fresh({"kind": "dns"}, client=endpoint(sock.getsockname()),
                                                target=[resolver["server"], 53], transport="udp", dns_id=ident,
                                                name=name, type=kind, rcode=None, answers=[])
            exchanges.append(query)
            sock.send(question(ident, name, kind))
        while open_queries:
            try:
                reply = sock.recv(65535)
            except OSError as problem:
                for query in open_queries.values():
                    query.update(error=reason(problem), ended_ns=time.time_ns())
                break
            query = open_queries.pop(struct.unpack("!H", reply[:2])[0], None)
            if query:
                finish(query, reply)
        answered = [query for query in exchanges[-len(types):] if not query["error"]]
        if len(answered) == len(types):
            for query in [query for query in answered if query["truncated"]]:
                exchanges.append(over_tcp(query, resolver))
                answered.append(exchanges[-1])
            return [answer for query in answered for answer in query["answers"]]
    return None


def over_tcp(query, resolver):
    """The answer did not fit: ask again over TCP."""
    again = {**query, "transport": "tcp", "started_ns": time.time_ns(), "answers": []}
    with socket.create_connection((resolver["server"], 53), timeout=3) as sock:
        again["client"] = endpoint(sock.getsockname())
        wire = question(query["dns_id"], query["name"], query["type"])
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        stream = sock.makefile("rb")
        finish(again, stream.read(struct.unpack("!H", stream.read(2))[0]))
    return again


def question(ident, name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", DNS_TYPES[kind], 1)


def finish(query, reply):
    flags, _, count = struct.unpack("!HHH", reply[2:8])
    query.update(ended_ns=time.time_ns(), rcode=RCODES.get(flags & 15, str(flags & 15)),
                 truncated=bool(flags & 0x0200))
    place = skip_name(reply, 12) + 4
    for _ in range(count):
        place = skip_name(reply, place)
        kind, _, _, length = struct.unpack("!HHIH", reply[place:place + 10])
        data = reply[place + 10:place + 10 + length]
        place += 10 + length
        if kind in (1, 28):
            query["answers"].append(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data))


def skip_name(packet, place):
    while packet[place]:
        if packet[place] >= 0xc0:       # a pointer ends the name
            return place + 2
        place += packet[place] + 1
    return place + 1


if __name__ == "__main__":
    main()
