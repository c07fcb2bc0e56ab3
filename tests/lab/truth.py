"""What really happened, joined from those who took part: clients, servers, proxies and conntrack."""

import re
from collections import defaultdict
from datetime import datetime, timezone

from chain import Chain, ident, json_lines, legs
from proxies import NGINX_PORT, TRAEFIK_PORTS
from topology import (CLOSED_PORT, NODES, OUTSIDE, OUTSIDE6, OUTSIDE_WEB, OUTSIDE_WEB6, PODS, SERVICES, VIP, VIP_NODE,
                      is_pod, is_service, node_of)

LATE_NS = 100_000_000       # conntrack's events, at most
# Of a node: where proxies listen.
INGRESS_PORTS = (*TRAEFIK_PORTS.values(), NGINX_PORT)
PROTOCOL = {"http": "tcp", "udp": "udp", "ping": "icmp"}


def text(address):
    """(ip, port) as ip:port or [ip6]:port; without a port, as ICMP has it, the ip."""
    ip, port = address
    if not port:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


# -- conntrack ---------------------------------------------------------------------------------

def parse_conntrack(line):
    """One line of `conntrack -E -o timestamp,extended`, or of a dump (-L), which has no time."""
    head = re.match(r"(?:\[(\d+)\.(\d+)\s*\]\s+\[NEW\]\s+)?ipv[46]\s+\d+\s+(\S+)", line)
    if not head:
        return None
    time_ns = int(head[1]) * 10**9 + int(head[2].ljust(9, "0")) if head[1] else None
    pairs = re.findall(r"(\w+)=(\S+)", line)
    second = [i for i, (key, _) in enumerate(pairs) if key == "src"][1]
    return {"time_ns": time_ns, "protocol": head[3].replace("icmpv6", "icmp").replace("ipv6-icmp", "icmp"),
            "original": ends(dict(pairs[:second])), "reply": ends(dict(pairs[second:]), answer=True)}


def ends(fields, answer=False):
    """((src, port), (dst, port)); the id of an echo counts as the port of the one who asks."""
    if "sport" in fields:
        return (fields["src"], int(fields["sport"])), (fields["dst"], int(fields["dport"]))
    ident = int(fields.get("id", 0))
    return (fields["src"], 0 if answer else ident), (fields["dst"], ident if answer else 0)


class Conntrack:
    """The events of all nodes, and the question "what became of this packet's addresses?"."""

    def __init__(self, lines_by_node):
        self.events = {node: [event for line in lines if (event := parse_conntrack(line))]
                       for node, lines in lines_by_node.items()}
        self.by_tuple = defaultdict(list)
        for node, events in self.events.items():
            for event in events:
                self.by_tuple[node, event["protocol"], event["original"]].append(event)

    def translations(self, protocol, client, target, use=0):
        """Follow the addresses from node to node. `use` counts the connections between these two
        ends: a port may be used again at once, and each connection has an entry of its own."""
        now, nodes, found = (tuple(client), tuple(target)), set(self.events), []
        while True:
            for node in sorted(nodes):
                events = self.by_tuple[node, protocol, now]
                after = tuple(reversed(events[min(use, len(events) - 1)]["reply"])) if events else now
                if after != now:
                    break
            else:
                return found, now
            found.append((node, now, after))
            nodes.remove(node)
            now = after


def translation(node, before, after):
    kind = {(False, True): "dnat", (True, False): "snat", (True, True): "both"}
    changed = (before[0] != after[0], before[1] != after[1])
    return {"node": node, "kind": kind[changed], "from": f"{text(before[0])} > {text(before[1])}",
            "to": f"{text(after[0])} > {text(after[1])}"}


# -- logs --------------------------------------------------------------------------------------

def last_part(uri):
    return uri.split("?")[0].rsplit("/", 1)[-1]


def plain(address):
    """An IPv4 peer as a dual-stack socket sees it, written as IPv4."""
    ip, port = address
    return [ip.removeprefix("::ffff:"), int(port)]


def served(workdir):
    """Request id → what the server's log says: who served, whom it saw."""
    found = {}
    for place in [pod.name for pod in PODS if pod.role == "web"] + ["client"]:
        for line in json_lines(workdir / place / "access.log"):
            found[ident(line, line["uri"])] = {"place": place, "server": plain(line["local"]),
                                               "client": plain(line["remote"]), "status": line["status"],
                                               "nth": line["nth"]}
        for line in json_lines(workdir / place / "broken.log"):
            found[last_part(line["uri"])] = {"place": place, "server": plain(line["local"]),
                                             "client": plain(line["remote"]), "nth": 1}
        for line in json_lines(workdir / place / "udp.log"):
            found[line["id"]] = {"place": place, "client": plain(line["remote"])}
    return found


# -- one exchange ------------------------------------------------------------------------------

def kind_of(address):
    ip, port = address
    if is_pod(ip):
        return "pod"
    if is_service(ip):
        return "service"
    if ip == VIP:
        return "vip"
    return "node" if node_of(ip) else "outside"


def path_of(client, target, dns):
    """The path template (see the product's paths) that this exchange should be drawn with."""
    if dns:
        return "dns-lookup"
    if kind_of(target) == "vip" or (kind_of(target) == "node" and target[1] in INGRESS_PORTS):
        return "ingress-to-pod"
    return {("pod", "service"): "pod-to-service", ("pod", "pod"): "pod-to-pod", ("pod", "outside"): "pod-to-external",
            ("outside", "pod"): "external-to-pod", ("outside", "service"): "external-to-service",
            ("outside", "node"): "nodeport-to-pod", ("node", "pod"): "host-to-pod",
            ("node", "service"): "host-to-pod",
            }.get((kind_of(client), kind_of(target)), "unclassified")


def route_of(path, first_node, server_node):
    """other-node or same-node; straight to a pod: direct or detour. None where no word fits."""
    if not first_node or not server_node:
        return None
    same = first_node == server_node
    if path == "external-to-pod":
        return "direct" if same else "detour"
    return "same-node" if same else "other-node"


class Truth:
    def __init__(self, session, capture):
        self.session, self.capture = session, capture
        workdir = session.cluster.workdir
        self.conntrack = Conntrack({node.name: capture.events_file(node).read_text().splitlines() for node in NODES})
        self.served, self.chain = served(workdir), Chain(workdir)
        self.conflicts = self.chain.conflicts
        self.uses = defaultdict(int)    # two ends → connections between them so far

    def exchange(self, done):
        protocol = done.get("transport") or PROTOCOL[done["kind"]]
        client, target = done["client"], done["target"]
        found, (seen, server) = self.conntrack.translations(protocol, client, target, self._use(done))
        path = path_of(client, target, done["kind"] == "dns")
        log = self.served.get(done["id"]) or {}
        proxies = self.chain.proxies(done["id"], text(client))
        if path == "ingress-to-pod":
            seen, server = log.get("client"), log.get("server")     # the pod's connection is the proxy's own
        elif kind_of(server) in ("service", "node"):
            server = None           # nothing says that an endpoint was chosen
        self._agree(done, log, seen, server, path)
        first = self._first_node(path, done, proxies)
        server_node = node_of(server[0]) if server else None

        def write(address):
            if not address:
                return None
            return address[0] if protocol == "icmp" else text(address)

        return {
            "id": done["id"] or f"dns-{done['dns_id']:04x}-{done['transport']}",
            "path": path, "route": route_of(path, first, server_node),
            "client": write(client), "target": write(target), "server": write(server),
            "client_seen_by_server": write(seen), "client_node": node_of(client[0]), "first_node": first,
            "server_node": server_node, "translations": [translation(*step) for step in found],
            "proxies": proxies,
            "legs": legs(done, text(client), text(target), proxies, log) if path == "ingress-to-pod" else None,
            "given_up": [],
            "looked_up": done.get("looked_up"), "exchange": exchange_of(done), "error": done["error"],
            "reached_server": bool(log) if done["kind"] in ("http", "udp") else None,
            "connection_request": done.get("number_on_connection"),
            "started_ns": done["started_ns"], "ended_ns": done["ended_ns"],
            "captured": self._captured(done),
            "expect": done.get("expect") or expectation(done), "slow": done.get("slow"),
            "notes": done.get("notes"),
        }

    def given_up(self, exchanges):
        """Connections that proxies tried for an exchange and that were refused: in the time of no other exchange.

        conntrack tells of several at once, a little late; cases with such tries leave time between their requests.
        """
        tries = [event for events in self.conntrack.events.values() for event in events
                 if event["original"][1][1] == CLOSED_PORT and event["time_ns"]]
        for event in sorted(tries, key=lambda event: event["time_ns"]):
            during = [one for one in exchanges if one["started_ns"] <= event["time_ns"] <= one["ended_ns"] + LATE_NS]
            ends = [text(end) for end in event["original"]]
            if len(during) == 1 and during[0]["legs"] and ends not in during[0]["given_up"]:
                during[0]["given_up"].append(ends)

    def _use(self, done):
        """Which connection between the same two ends this is, counted from 0."""
        ends = (*done["client"], *done["target"])
        if done["kind"] == "http" and done.get("number_on_connection") in (None, 1):
            self.uses[ends] += 1
        return max(self.uses[ends] - 1, 0)

    def _captured(self, done):
        return done["started_ns"] >= self.capture.started_ns

    def _first_node(self, path, done, proxies):
        """Where the packet meets the cluster: the client's own node, or the one the switch chose.
        With an ingress, what decides the route is the node of the Traefik."""
        if path == "ingress-to-pod" and proxies:
            return proxies[-1]["node"]
        if kind_of(done["target"]) == "node":
            return node_of(done["target"][0])
        return node_of(done["client"][0]) or done["first_node"]

    def _agree(self, done, log, seen, server, path):
        """The server's log and conntrack are two witnesses; both must tell the same."""
        for name, mine, theirs in (("client", seen, log.get("client")), ("server", server, log.get("server"))):
            if theirs and mine and tuple(mine) != tuple(theirs):
                self.conflicts.append(f"{done['id']}: {name} {text(theirs)} in the log, {text(mine)} by conntrack")
        is_by_proxy = path == "ingress-to-pod" and done.get("status", 0) >= 300     # a redirect, for one
        if done["kind"] == "http" and done.get("status") and done["status"] < 400 and not log and not is_by_proxy:
            self.conflicts.append(f"{done['id']}: answered, but in no server's log")

    def document(self):
        case = self.session.case
        exchanges = [self.exchange(done) for done in sorted(self.session.done, key=lambda e: e["started_ns"])]
        self.given_up(exchanges)
        return {
            "schema": "hopline-lab/truth/1", "case": case.name, "purpose": case.purpose,
            "recorded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "capture": {"clock_ahead_ns": {node: round(seconds * 10**9) for node, seconds in case.clocks},
                        "started_ns": self.capture.started_ns, "ended_ns": self.capture.ended_ns,
                        "kernel_drops": self.capture.drops()},
            "nodes": [self.node(node) for node in NODES], "pods": [self.pod(pod) for pod in PODS],
            "services": [service(s) for s in SERVICES],
            "outside": [OUTSIDE, OUTSIDE6, OUTSIDE_WEB, OUTSIDE_WEB6], "vip": {"address": VIP, "node": VIP_NODE},
            "exchanges": exchanges,
            "conntrack": {node: [self.event(e) for e in events] for node, events in self.conntrack.events.items()},
            "conflicts": self.conflicts,
        }

    def node(self, node):
        return {"name": node.name, "addresses": [node.address, node.address6], "uplink": "bond1",
                "uplink_mac": node.uplink_mac, "pod_cidrs": [node.pod_cidr, node.pod_cidr6],
                "interfaces": self.session.interfaces[node.name]}

    def pod(self, pod):
        return {"name": pod.full_name, "node": pod.node.name, "interface": pod.interface, "mac": pod.mac,
                "addresses": [pod.address, pod.address6]}

    def event(self, event):
        original, reply = event["original"], event["reply"]
        return {"time_ns": event["time_ns"], "protocol": event["protocol"],
                "original": f"{text(original[0])} > {text(original[1])}",
                "reply": f"{text(reply[0])} > {text(reply[1])}"}


def service(s):
    return {"name": s.full_name, "protocol": s.protocol, "addresses": [s.address, s.address6], "port": s.port,
            "node_port": s.node_port or None,
            "endpoints": [f"{address}:{port}" for pod, port in s.endpoints
                          for address in (pod.address, f"[{pod.address6}]")]}


def exchange_of(done):
    """The exchange in the report's words; keys that do not apply are left out."""
    if done["kind"] == "dns":
        keys = ("transport", "dns_id", "name", "type", "rcode", "truncated", "answers")
        return {"protocol": "dns", **{key: done.get(key) for key in keys}}
    words = {"protocol": {"http": "http", "udp": "udp", "ping": "icmp"}[done["kind"]]}
    if done["kind"] == "http" and not done.get("method"):
        words["protocol"] = "tcp"
    if done.get("tls"):
        words.update(protocol="tls", server_name=done["tls"])
    if done["kind"] == "ping":
        words["icmp_id"] = done["client"][1]
    words.update({"method": done.get("method"), "path": done.get("path"), "host": done.get("http_host"),
                  "grpc_status": done.get("grpc_status"), "status": done.get("status"),
                  "reply_bytes": done.get("reply_bytes")})
    return {key: value for key, value in words.items() if value is not None}


def expectation(done):
    if done["kind"] == "dns" and done.get("rcode") not in (None, "NOERROR"):
        return {"outcome": "failed", "direction": "reply", "where": {"kind": "dns", "node": None}}
    return {"outcome": "complete"} if not done["error"] else None
