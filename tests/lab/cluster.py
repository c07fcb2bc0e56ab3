"""Builds and removes the cluster: namespaces, links, addresses, routes and tables."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import rules
from system import LabError, need, run
from topology import (CALI_LINK_LOCAL, CALI_MAC, GATEWAY, GATEWAY6, NODES, OUTSIDE, OUTSIDE6, OUTSIDE_WEB,
                      OUTSIDE_WEB6, PODS, SERVICE_CIDR, SERVICE_CIDR6, VIP, VIP_NODE)

PREFIX = "hoplab"
SWITCH, CLIENT = "switch", "client"
OUTSIDE_TABLE = 77      # the switch's routes for what comes from outside, looked at first


def legacy():
    return os.environ.get("LAB_IPTABLES") == "legacy"


def iptables(six, restore=False):
    flavour = "legacy" if legacy() else "nft"
    return f"ip{'6' if six else ''}tables-{flavour}" + ("-restore" if restore else "")


class Cluster:
    """One cluster, named by an id, so that several can stand side by side.

    The id is in the name of every namespace and of the working directory: what a killed run left
    behind can be found and removed with nothing else known.
    """

    def __init__(self, name):
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise LabError(f"id {name!r}: use letters, digits and underscores only")
        self.name = name
        self.workdir = Path(tempfile.gettempdir()) / f"{PREFIX}-{name}"

    # -- naming and running ------------------------------------------------------------------

    def netns(self, place):
        """The namespace of a node, a pod, the switch or the client."""
        return f"{PREFIX}-{self.name}-{place}"

    def namespaces(self):
        """Those that exist now, whoever made them."""
        start = self.netns("")
        return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(start)]

    def exists(self):
        return bool(self.namespaces())

    def inside(self, place, *args):
        return ("ip", "netns", "exec", self.netns(place), *args)

    def exec(self, place, *args, text=None, check=True):
        return run(*self.inside(place, *args), text=text, check=check)

    def spawn(self, place, *args, log, stdin=subprocess.DEVNULL, stdout=None):
        """Start a program in a namespace. It gets a session of its own: a Ctrl-C is for us to act upon."""
        with open(self.workdir / log, "ab") as out:
            return subprocess.Popen(self.inside(place, *args), stdin=stdin, stdout=stdout or out, stderr=out,
                                    start_new_session=True)

    def listening(self, place, port, udp=False):
        flags = "-Hlun" if udp else "-Hltn"
        return bool(self.exec(place, "ss", flags, f"sport = :{port}").strip())

    # -- up ----------------------------------------------------------------------------------

    def up(self, options=rules.Options()):
        need("ip", "ss", "sysctl", "ethtool", "conntrack", iptables(False, restore=True))
        shutil.rmtree(self.workdir, ignore_errors=True)
        self.workdir.mkdir()
        self._namespaces()
        self._switch_links()
        self._nodes()
        self._pods()
        self._routes()
        self.load_rules(options)

    def _batch(self, place, lines):
        run("ip", "-n", self.netns(place), "-batch", "-", text="\n".join(lines) + "\n")

    def _sysctl(self, place, *settings):
        self.exec(place, "sysctl", "-qw", *settings)

    def _namespaces(self):
        for place in (SWITCH, CLIENT, *(n.name for n in NODES), *(p.name for p in PODS)):
            run("ip", "netns", "add", self.netns(place))
            # Without this an IPv6 address is not usable for a second after it was given.
            self._sysctl(place, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            run("ip", "-n", self.netns(place), "link", "set", "lo", "up")
        for place in (SWITCH, *(n.name for n in NODES)):
            self._sysctl(place, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                         "net.ipv6.conf.default.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
                         "net.ipv4.conf.default.send_redirects=0")

    def _switch_links(self):
        """The switch routes: each port is a link of its own, and the next hop of all is its GATEWAY."""
        lines = []
        for number, place in enumerate((*(n.name for n in NODES), CLIENT), 1):
            inner = "bond1" if place != CLIENT else "eth0"
            mac = f"02:50:00:00:00:{'1' + str(number) if place != CLIENT else '77'}"
            lines += [f"link add {place} address 02:50:00:00:00:0{number} type veth"
                      f" peer name {inner} address {mac} netns {self.netns(place)}",
                      f"addr add {GATEWAY}/32 dev {place}",
                      f"link set {place} up",
                      f"addr add {GATEWAY6}/64 dev {place} nodad"]
        self._batch(SWITCH, lines)
        self._batch(CLIENT, self._leaf("eth0", OUTSIDE, OUTSIDE6) + [
            f"addr add {OUTSIDE_WEB}/32 dev eth0", f"addr add {OUTSIDE_WEB6}/128 dev eth0 nodad"])

    def _leaf(self, interface, address, address6):
        """What a node and the client have alike: one address, and the switch as their only neighbour."""
        return [f"addr add {address}/32 dev {interface}", f"addr add {address6}/128 dev {interface} nodad",
                f"link set {interface} up", f"route add {GATEWAY} dev {interface} scope link",
                f"route add default via {GATEWAY} dev {interface} src {address}",
                f"route add ::/0 via {GATEWAY6} dev {interface} src {address6}"]

    def _nodes(self):
        for node in NODES:
            lines = self._leaf("bond1", node.address, node.address6)
            if node.name == VIP_NODE:
                lines.append(f"addr add {VIP}/32 dev bond1 label bond1:1")
            # As Calico does: what no pod of this node owns must not wander back to the switch.
            lines += [f"route add blackhole {node.pod_cidr} proto bird",
                      f"route add blackhole {node.pod_cidr6} proto bird"]
            self._batch(node.name, lines)
            self._sysctl(node.name, "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.bond1.rp_filter=1",
                         "net.netfilter.nf_conntrack_timestamp=1", "net.netfilter.nf_conntrack_acct=1")

    def _pods(self):
        for pod in PODS:
            node, cali = pod.node.name, pod.interface
            self._batch(node, [f"link add {cali} address {CALI_MAC} type veth"
                               f" peer name eth0 address {pod.mac} netns {self.netns(pod.name)}"])
            # The pod's gateway 169.254.1.1 exists nowhere: the node answers for it by proxy ARP.
            v4, v6, neigh = (f"net.ipv4.conf.{cali}", f"net.ipv6.conf.{cali}", f"net.ipv4.neigh.{cali}")
            self._sysctl(node, f"{v4}.proxy_arp=1", f"{neigh}.proxy_delay=0", f"{v4}.forwarding=1",
                         f"{v4}.rp_filter=1", f"{v6}.proxy_ndp=1", f"{v6}.forwarding=1")
            self._batch(node, [f"link set {cali} up", *self.pod_routes(pod)])
            self._batch(pod.name, [
                f"addr add {pod.address}/32 dev eth0", f"addr add {pod.address6}/128 dev eth0 nodad",
                "link set eth0 up", "route add 169.254.1.1 dev eth0 scope link",
                "route add default via 169.254.1.1 dev eth0",
                f"route add ::/0 via {CALI_LINK_LOCAL} dev eth0"])
            # A port may be used again at once, as a busy client does (the port-reuse cases).
            self._sysctl(pod.name, "net.ipv4.tcp_tw_reuse=1")

    def pod_routes(self, pod):
        return [f"route replace {pod.address} dev {pod.interface} scope link",
                f"route replace {pod.address6} dev {pod.interface}"]

    def _routes(self):
        """What BGP would have told the switch: nodes, their pods, and the Service network."""
        lines = [f"route add {OUTSIDE} dev {CLIENT} scope link", f"route add {OUTSIDE6} dev {CLIENT}",
                 f"route add {OUTSIDE_WEB} dev {CLIENT} scope link", f"route add {OUTSIDE_WEB6} dev {CLIENT}",
                 f"route add {VIP} dev {VIP_NODE} scope link"]
        for node in NODES:
            lines += [f"route add {node.address} dev {node.name} scope link",
                      f"route add {node.address6} dev {node.name}",
                      f"route add {node.pod_cidr} via {node.address} dev {node.name} onlink",
                      f"route add {node.pod_cidr6} via {node.address6} dev {node.name} onlink"]
        self._batch(SWITCH, lines)
        for family in ("-4", "-6"):
            run("ip", "-n", self.netns(SWITCH), family, "rule", "add", "iif", CLIENT, "lookup", str(OUTSIDE_TABLE))
        self.announce_services(NODES[0])

    def announce_services(self, node):
        """Send the Service network to one node; the answer to "which node comes first?"."""
        self._batch(SWITCH, [
            f"route replace {SERVICE_CIDR} via {node.address} dev {node.name} onlink",
            f"route replace {SERVICE_CIDR6} via {node.address6} dev {node.name} onlink"])

    def load_rules(self, options):
        """kube-proxy's and Calico's tables on every node, from scratch; also empties conntrack."""
        for node in NODES:
            for six in (False, True):
                self.exec(node.name, iptables(six, restore=True), "-w", text=rules.node_rules(node, six, options))
            self.exec(node.name, "conntrack", "-F", check=False)

    # -- changes that cases make -------------------------------------------------------------

    def ip(self, place, *lines):
        self._batch(place, lines)

    def iptables(self, place, *args):
        six = any(word.count(":") > 1 for word in args)     # an IPv6 address
        self.exec(place, iptables(six), "-w", *args)

    def offloads(self, place, interface, **features):
        words = [word for name, on in features.items() for word in (name, "on" if on else "off")]
        self.exec(place, "ethtool", "-K", interface, *words)

    def pids(self, place):
        return [int(pid) for pid in run("ip", "netns", "pids", self.netns(place)).split()]

    def signal(self, pids, sig):
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def interfaces(self, node):
        """Interface index to name, as programs on the node see it."""
        out = run("ip", "-n", self.netns(node.name), "-o", "link")
        return {int(m[1]): m[2] for m in re.finditer(r"^(\d+): ([^:@]+)", out, re.M)}

    def packets(self):
        """How many packets the nodes' interfaces carried so far: two equal answers mean quiet."""
        return "".join(run("ip", "-n", self.netns(node.name), "-s", "-o", "link") for node in NODES)

    # -- down --------------------------------------------------------------------------------

    def down(self):
        """Remove all that bears this cluster's id, also what a dead run left. Never fails half-way."""
        names = self.namespaces()
        for sig in (signal.SIGTERM, signal.SIGKILL):
            self._end(names, sig)
        for name in names:
            run("ip", "netns", "delete", name, check=False)
        shutil.rmtree(self.workdir, ignore_errors=True)

    def _end(self, names, sig):
        """Signal every process that is inside our namespaces, and give them a moment to go."""
        def alive():
            return [int(pid) for name in names for pid in run("ip", "netns", "pids", name, check=False).split()]
        self.signal(alive(), sig)
        deadline = time.monotonic() + 2
        while alive() and time.monotonic() < deadline:
            reap()
            time.sleep(0.05)


def reap():
    """Collect our own children that ended; a zombie would still count as alive."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
