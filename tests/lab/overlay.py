"""An overlay between the nodes, as Calico has it where the fabric does not know the pods: VXLAN, or IP in IP."""

import sys
from pathlib import Path

from system import LabError, wait_until
from topology import NODES

DEVICE = {"vxlan": "vxlan.calico", "ipip": "tunl0"}
VXLAN_PORT, VXLAN_ID = 4789, 4096       # FelixConfiguration's defaults
TUNNEL = str(Path(__file__).resolve().parent / "ipip_tunnel.py")


class Overlay:
    def __init__(self, cluster, kind):
        self.cluster, self.kind, self.device = cluster, kind, DEVICE[kind]
        self.running = []

    def start(self):
        for node in NODES:
            (self._vxlan if self.kind == "vxlan" else self._ipip)(node)
            self._sysctl(node)
        for node in NODES:
            self.cluster.ip(node.name, *self._routes(node))

    def _others(self, node):
        return [other for other in NODES if other != node]

    def _vxlan(self, node):
        """Felix knows all neighbours: nothing is learned, and nobody is asked."""
        lines = [f"link add {self.device} address {mac(node)} type vxlan id {VXLAN_ID} dstport {VXLAN_PORT}"
                 f" local {node.address} dev bond1 nolearning",
                 f"addr add {node.tunnel_address}/32 dev {self.device}",
                 f"link set {self.device} mtu 1450 up"]
        lines += [f"neigh add {other.tunnel_address} lladdr {mac(other)} dev {self.device} nud permanent"
                  for other in self._others(node)]
        self.cluster.ip(node.name, *lines)
        for other in self._others(node):
            self.cluster.exec(node.name, "bridge", "fdb", "append", mac(other), "dev", self.device,
                              "dst", other.address)

    def _ipip(self, node):
        """Not every kernel has the module: a program of ours puts the packets of a tun device into IP packets."""
        peers = [f"{other.pod_cidr}={other.address}" for other in self._others(node)]
        log = self.cluster.workdir / f"{node.name}.ipip.log"
        process = self.cluster.spawn(node.name, sys.executable, TUNNEL, self.device, *peers, log=log.name)
        self.running.append(process)

        def is_up():
            if process.poll() is not None:
                raise LabError(f"{log.name}: {log.read_text().strip().splitlines()[-1]}")
            return self.device in self.cluster.interfaces(node).values()
        wait_until(is_up, f"{self.device} on {node.name}")
        self.cluster.ip(node.name, f"addr add {node.tunnel_address}/32 dev {self.device}",
                        f"link set {self.device} mtu 1480 up")

    def _sysctl(self, node):
        # The device's name has a dot, which a sysctl's name does not.
        name = self.device.replace(".", "/")
        self.cluster.exec(node.name, "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=1")

    def _routes(self, node):
        via = (lambda other: other.tunnel_address) if self.kind == "vxlan" else (lambda other: other.address)
        return [f"route add {other.pod_cidr} via {via(other)} dev {self.device} onlink"
                for other in self._others(node)]

    def stop(self):
        for process in self.running:
            process.terminate()
            process.wait()
        for node in NODES:
            if self.device in self.cluster.interfaces(node).values():
                self.cluster.ip(node.name, f"link del {self.device}")


def mac(node):
    return f"66:50:00:00:00:1{node.number}"
