"""Plays one case on a cluster while it is captured, and writes the recording."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import topology
from capture import Capture
from cluster import OUTSIDE_TABLE
from overlay import Overlay
from proxies import Proxies
from system import LabError
from topology import NODES
from truth import Truth

CLIENT_PROGRAM = str(Path(__file__).resolve().parent / "client.py")


class Session:
    """What a case may do. Every change to the cluster is undone when the session closes."""

    def __init__(self, cluster, servers, case, capture):
        self.cluster, self.servers, self.case, self.capture = cluster, servers, case, capture
        self.proxies = Proxies(servers)
        self.undo = ExitStack()
        self.done = []              # what the clients report
        self.running = []           # clients that were started and not yet awaited
        self.numbers = 0
        self.services_via = NODES[0]
        self.pods_via = {}          # pod address → node that the switch sends it to first
        self.tag = hashlib.sha1(case.name.encode()).hexdigest()[:4]

    # -- traffic -----------------------------------------------------------------------------

    def run(self, place, *jobs, together=1, **plan):
        """Have a client in a pod, on a node or outside do these jobs; returns when it is done."""
        self.start(place, *jobs, together=together, **plan)
        self.wait()

    def start(self, place, *jobs, together=1, **plan):
        for job in jobs:
            self._number(job)
        resolver = {"server": topology.SERVICE["kube-system/kube-dns:dns"].address,
                    "search": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"], **plan}
        client = self.cluster.spawn(place, sys.executable, CLIENT_PROGRAM, log="client.log",
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdin.write(json.dumps({"jobs": jobs, "concurrency": together, "resolver": resolver}).encode())
        client.stdin.close()
        client.stdin = None
        self.running.append((place, client))

    def wait(self):
        for place, client in self.running:
            try:
                out, _ = client.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                raise LabError(f"the client in {place} did not end within two minutes") from None
            if client.returncode != 0:
                said = (self.cluster.workdir / "client.log").read_text().strip().splitlines()
                raise LabError(f"the client in {place} failed: {said[-1] if said else client.returncode}")
            for exchange in json.loads(out)["exchanges"]:
                # As things stand now: a case may change routes between its jobs.
                self.done.append({**exchange, "first_node": self.first_node(exchange["target"][0])})
        self.running.clear()

    def _number(self, job):
        """Give each request an id of its own, which goes over the wire and so joins the logs."""
        if job["kind"] == "http":
            job["id"] = self._next()
            for request in job["requests"]:
                request["id"] = self._next()
                # Where all requests are to be alike, a header that is no proxy's business tells them apart in the logs.
                under = request.pop("under")
                request["path"] = under if request.get("alike") else f"{under}/{request['id']}"
        elif job["kind"] in ("udp", "ping"):
            job["ids"] = [self._next() for _ in range(job["count"])]

    def _next(self):
        self.numbers += 1
        return f"{self.tag}-{self.numbers:03d}"

    # -- the cluster -------------------------------------------------------------------------

    def start_capture(self):
        self.interfaces = {node.name: self.cluster.interfaces(node) for node in NODES}
        if self.capture:
            self.capture.start()

    def drop(self, place, *match, chain="FORWARD"):
        """Drop what matches, as the first thing that FORWARD (or another chain) does on a node or the switch."""
        if chain == "FORWARD" and place != "switch":
            chain = "cali-FORWARD"
        self.cluster.iptables(place, "-I", chain, "1", *match, "-j", "DROP")
        self.undo.callback(self.cluster.iptables, place, "-D", chain, *match, "-j", "DROP")

    def deny(self, pod, way, *match):
        """A network policy: new connections from or to the pod that match are dropped by Felix's chain."""
        chain = f"cali-{way[0]}w-{pod.interface}"
        name = "Policy shop/deny " + ("egress" if way == "from" else "ingress")
        rule = ("-m", "comment", "--comment", name, *match, "-j", "DROP")
        self.cluster.iptables(pod.node.name, "-I", chain, "3", *rule)
        self.undo.callback(self.cluster.iptables, pod.node.name, "-D", chain, *rule)

    def services_to(self, node):
        """Have the switch send the Service network to this node."""
        self.services_via = node
        self.cluster.announce_services(node)
        self.undo.callback(self.cluster.announce_services, NODES[0])

    def detour(self, pod, node, always=False):
        """Have the switch send this pod's addresses to another node than its own.

        Only what comes from outside: the node must be able to send it on to where it belongs.
        With `always` the switch sends it back to that node, round and round.
        """
        for address, via in ((pod.address, node.address), (pod.address6, node.address6)):
            route = f"{address} via {via} dev {node.name} onlink" + ("" if always else f" table {OUTSIDE_TABLE}")
            self.cluster.ip("switch", f"route add {route}")
            self.undo.callback(self.cluster.ip, "switch", f"route del {route}")
            self.pods_via[address] = node

    def unplug(self, pod):
        """The pod's eth0 goes down: it no longer answers ARP, as when its sandbox is gone."""
        self.cluster.ip(pod.name, "link set eth0 down")
        self.cluster.ip(pod.node.name, f"neigh flush dev {pod.interface}")

        def plug_in():
            self.cluster.ip(pod.name, "link set eth0 up", "route replace 169.254.1.1 dev eth0 scope link",
                            "route replace default via 169.254.1.1 dev eth0",
                            f"route replace ::/0 via {topology.CALI_LINK_LOCAL} dev eth0")
        self.undo.callback(plug_in)

    def unroute(self, pod):
        """Felix took the pod's route away; the blackhole of the node's block is what remains."""
        self.cluster.ip(pod.node.name, f"route del {pod.address} dev {pod.interface}")
        self.undo.callback(self.cluster.ip, pod.node.name, *self.cluster.pod_routes(pod))

    def freeze(self, pod):
        """Stop the pod's processes: packets reach it and nothing comes back."""
        pids = self.cluster.pids(pod.name)
        self.cluster.signal(pids, signal.SIGSTOP)
        self.undo.callback(self.cluster.signal, pids, signal.SIGCONT)

    def offloads(self, place, interface, **features):
        before = {name: not on for name, on in features.items()}
        self.cluster.offloads(place, interface, **features)
        self.undo.callback(self.cluster.offloads, place, interface, **before)

    def overlay(self, kind):
        overlay = Overlay(self.cluster, kind)
        self.undo.callback(overlay.stop)
        overlay.start()

    def ingress(self, traefiks, pods):
        self.proxies.start(traefiks, pods)
        self.undo.callback(self.proxies.stop)

    def nginx(self, node, *pods):
        self.proxies.nginx(node, [topology.POD[pod] for pod in pods])

    @contextmanager
    def standstill(self, node, kind):
        """A proxy that does not get to run meanwhile."""
        self.proxies.signal(node.name, kind, signal.SIGSTOP)
        try:
            yield
        finally:
            self.proxies.signal(node.name, kind, signal.SIGCONT)

    def first_node(self, address):
        if topology.is_service(address):
            return self.services_via.name
        via = self.pods_via.get(address)
        return via.name if via else topology.node_of(address)

    def settle(self, seconds):
        """Let the clients that were started get some way."""
        time.sleep(seconds)

    def close(self):
        for _, client in self.running:
            client.kill()
        self.undo.close()


def record(cluster, servers, case, directory):
    """Record one case into `directory`; gives the truth that was written."""
    cluster.load_rules(case.options)
    capture = Capture(cluster, directory, case)
    session = Session(cluster, servers, case, capture)
    try:
        act(session)
        capture.stop()
        if case.netlink:
            capture.add_netlink()
        capture.shift_clocks(case.clocks)
        truth = Truth(session, capture).document()
    finally:
        capture.abandon()
        session.close()
    Path(directory, "truth.json").write_text(dump(truth))
    return truth


def play(cluster, servers, case):
    """Let a case happen and record nothing, for programs that capture by themselves; gives what the clients say."""
    cluster.load_rules(case.options)
    session = Session(cluster, servers, case, None)
    try:
        act(session)
    finally:
        session.close()
    return session.done


def act(session):
    case = session.case
    if case.overlay:
        session.overlay(case.overlay)
    if case.ingress:
        session.ingress(*case.ingress)
    if not case.starts_capture:
        session.start_capture()
    case.play(session)
    session.wait()


def dump(truth):
    """JSON with one line for each entry of the long lists, so that it can be read and compared."""
    lines = []
    for key, value in truth.items():
        if isinstance(value, list) and value:
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        elif key == "conntrack":
            nodes = [f'  "{node}": [' + ",".join("\n    " + json.dumps(row) for row in rows) + "]"
                     for node, rows in value.items()]
            lines.append('"conntrack": {\n' + ",\n".join(nodes) + "\n}")
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"
