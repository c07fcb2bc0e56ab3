#!/usr/bin/env python3
"""The client programs, run inside a pod, a node or the outside namespace.

Reads a plan (JSON) on stdin, carries it out, prints what happened (JSON). It speaks HTTP and DNS
over plain sockets by itself, so that it knows its own ports and when each byte was due.

plan: {"jobs": [JOB…], "concurrency": n, "resolver": {"server", "search"}}
JOB:  {"kind": "http" | "udp" | "ping" | "dns", …}; see the functions below for their keys.
Result: {"exchanges": [EXCHANGE…]} in the order of the jobs; truth.py gives them their final form.
"""

import concurrent.futures
import errno
import json
import os
import random
import select
import socket
import ssl
import struct
import sys
import time

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


# -- what all have in common -------------------------------------------------------------------

def endpoint(address):
    return [address[0], address[1]]


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reason(error):
    """A short word for what went wrong: the errno's name, or "timeout"."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(getattr(error, "errno", None) or 0, str(error) or type(error).__name__)


def fresh(job, **more):
    return {"kind": job["kind"], "id": None, "error": None, "started_ns": time.time_ns(), "ended_ns": None,
            "expect": job.get("expect"), "notes": job.get("notes"), **more}


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
    first request); requests: [{id, method, path, host, body, pieces, pause, close}].
    """
    exchanges = []
    address = resolve_first(job, resolver, exchanges)
    if address is None:
        return exchanges
    bare = fresh(job, target=[address, job["port"]], looked_up=job.get("name"), tls=job.get("tls"))
    sock, error = connect(address, job, bare)
    if job.get("tls") and not error:
        sock = secure(sock, job["tls"])
    if error or not job["requests"]:
        # Nothing was asked: the connection itself is the exchange, under its first request's id.
        request = (job["requests"] or [{"id": job["id"]}])[0]
        exchanges.append({**bare, **describe(request), "error": error, "ended_ns": time.time_ns()})
    for number, request in enumerate(job["requests"] if not error else ()):
        if number and job.get("hold"):
            while not os.path.exists(job["hold"]):
                time.sleep(0.02)
        time.sleep(request.get("pause_before", 0))
        exchange = {**bare, **describe(request), "started_ns": time.time_ns(), "number_on_connection": number + 1}
        exchanges.append(exchange)
        try:
            send(sock, request)
            exchange["status"], exchange["reply_bytes"] = receive(sock)
        except (OSError, ValueError) as problem:
            exchange["error"] = reason(problem)
        exchange["ended_ns"] = time.time_ns()
        if exchange["error"]:
            break
    if job.get("reset"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    return exchanges


def describe(request):
    return {"id": request["id"], "method": request.get("method"), "path": request.get("path"),
            "http_host": request.get("host"), "expect": request.get("expect")}


def connect(address, job, bare):
    """Connect without blocking, so that the local port is known even when nothing ever answers."""
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if job.get("local_port"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::" if ":" in address else "0.0.0.0", job["local_port"]))
    timeout = job.get("timeout", 5)
    sock.setblocking(False)
    code = sock.connect_ex((address, job["port"]))
    bare["client"] = endpoint(sock.getsockname())
    if code == errno.EINPROGRESS:
        _, ready, _ = select.select([], [sock], [], timeout)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
        if not ready:
            return sock, "timeout"
    sock.settimeout(timeout)
    return sock, errno.errorcode[code] if code else None


def secure(sock, server_name):
    """TLS with a server whose certificate is nobody's concern here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)   # loads no authorities, which would take longer than the call
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=server_name)


def send(sock, request):
    body = bytes(request.get("body", 0))
    head = [f"{request['method']} {request['path']} HTTP/1.1", f"Host: {request['host']}", "User-Agent: lab/1"]
    if request.get("alike"):
        head.append(f"X-Lab: {request['id']}")
    if body:
        head.append(f"Content-Length: {len(body)}")
    if request.get("large_head"):
        head.append("Cookie: basket=" + "0123456789abcdef" * (request["large_head"] // 16))
    if request.get("close"):
        head.append("Connection: close")
    wire = ("\r\n".join(head) + "\r\n\r\n").encode()
    pieces = request.get("pieces", 1)
    size = -(-len(wire) // pieces)
    for start in range(0, len(wire), size):
        sock.sendall(wire[start:start + size])
        if pieces > 1:
            time.sleep(request.get("pause", 0.02))
    sock.sendall(body)


def receive(sock):
    """Read one answer; give its status and the length of its body."""
    stream = sock.makefile("rb")
    status = stream.readline().split()
    if len(status) < 2:
        raise ValueError("closed without an answer")
    headers = {}
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    if headers.get(b"transfer-encoding") == b"chunked":
        return int(status[1]), read_chunks(stream)
    length = int(headers.get(b"content-length", 0))
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
