"""What the cluster is made of: nodes, pods, Services and their addresses. Data only."""

import hashlib
import ipaddress
from dataclasses import dataclass

POOL, POOL6 = "10.244.0.0/16", "fd00:10:244::/48"
SERVICE_CIDR, SERVICE_CIDR6 = "10.43.0.0/16", "fd00:10:43::/112"
GATEWAY, GATEWAY6 = "192.168.50.1", "fe80::1"      # the switch, on each of its ports
VIP = "192.168.50.100"                             # HAProxy's; the second address of VIP_NODE's bond1
VIP_NODE = "kappa1"
OUTSIDE, OUTSIDE6 = "172.31.9.77", "fd00:99::77"   # the client beyond the switch
OUTSIDE_WEB, OUTSIDE_WEB6 = "172.31.9.80", "fd00:99::80"  # a web server beside it
CALI_MAC = "ee:ee:ee:ee:ee:ee"
CALI_LINK_LOCAL = "fe80::ecee:eeff:feee:eeee"      # what that MAC makes as an EUI-64


@dataclass(frozen=True)
class Node:
    number: int

    @property
    def name(self):
        return f"kappa{self.number}"

    @property
    def address(self):
        return f"192.168.50.{10 + self.number}"

    @property
    def address6(self):
        return f"fd00:50::1{self.number}"

    @property
    def pod_cidr(self):
        return f"10.244.{self.number}.0/24"

    @property
    def pod_cidr6(self):
        return f"fd00:10:244:{self.number}::/64"

    @property
    def tunnel_address(self):
        """Of vxlan.calico or tunl0, where there is one: the first of the node's block."""
        return f"10.244.{self.number}.0"

    @property
    def uplink_mac(self):
        return f"02:50:00:00:00:1{self.number}"


@dataclass(frozen=True)
class Pod:
    """`role` says what runs in it: web (nginx and pod_server.py), dns (dnsmasq), client (nothing)."""
    namespace: str
    name: str
    node: Node
    host: int
    role: str

    @property
    def full_name(self):
        return f"{self.namespace}/{self.name}"

    @property
    def address(self):
        return f"10.244.{self.node.number}.{self.host}"

    @property
    def address6(self):
        return f"fd00:10:244:{self.node.number}::{self.host}"

    @property
    def mac(self):
        return f"02:44:00:00:{self.node.number:02x}:{self.host:02x}"

    @property
    def interface(self):
        """The node's end of the veth pair, named as Calico names it."""
        return "cali" + hashlib.sha1(f"{self.namespace}.{self.name}".encode()).hexdigest()[:11]


@dataclass(frozen=True)
class Service:
    """One port of a Service; `endpoints` are (pod, port)."""
    namespace: str
    name: str
    port_name: str
    protocol: str
    address: str
    port: int
    endpoints: tuple
    node_port: int = 0

    @property
    def full_name(self):
        return f"{self.namespace}/{self.name}:{self.port_name}"

    @property
    def address6(self):
        """10.43.10.11 has the twin fd00:10:43::1011: kube-proxy allows no more than 16 bits here."""
        third, fourth = map(int, self.address.split(".")[2:])
        return str(ipaddress.ip_address(f"fd00:10:43::{third}{fourth:02}"))


NODES = (Node(1), Node(2), Node(3))
KAPPA1, KAPPA2, KAPPA3 = NODES

PODS = (
    Pod("shop", "cart-1", KAPPA1, 21, "client"),
    Pod("shop", "cart-2", KAPPA1, 22, "client"),
    Pod("shop", "stock-1", KAPPA1, 11, "web"),
    Pod("shop", "cart-3", KAPPA2, 21, "client"),
    Pod("shop", "stock-2", KAPPA2, 11, "web"),
    Pod("shop", "parcel-1", KAPPA2, 19, "web"),       # the pod that fault cases take away
    Pod("kube-system", "coredns-1", KAPPA2, 2, "dns"),
    Pod("shop", "cart-4", KAPPA3, 21, "client"),
    Pod("shop", "stock-3", KAPPA3, 11, "web"),
    Pod("kube-system", "coredns-2", KAPPA3, 2, "dns"),
)
POD = {pod.name: pod for pod in PODS}
NODE = {node.name: node for node in NODES}

WEB_PORT, TLS_PORT, H2_PORT, UDP_PORT = 8080, 8443, 8082, 9000
MUTE_PORT, BREAK_PORT, CLOSED_PORT = 8081, 8084, 8099    # one accepts and says nothing, one breaks off, one refuses
STOCK = (POD["stock-1"], POD["stock-2"], POD["stock-3"])
COREDNS = (POD["coredns-1"], POD["coredns-2"])


def at(pods, port):
    return tuple((pod, port) for pod in pods)


def pinned(number):
    """A Service with one endpoint, so that a case knows its route beforehand."""
    pod = (POD[f"stock-{number}"],)
    address = f"10.43.10.1{number}"
    return (Service("shop", f"stock-k{number}", "http", "tcp", address, 80, at(pod, WEB_PORT)),
            Service("shop", f"stock-k{number}", "https", "tcp", address, 443, at(pod, TLS_PORT)),
            Service("shop", f"stock-k{number}", "ticks", "udp", address, 9000, at(pod, UDP_PORT)))


SERVICES = (
    Service("kube-system", "kube-dns", "dns", "udp", "10.43.0.10", 53, at(COREDNS, 53)),
    Service("kube-system", "kube-dns", "dns-tcp", "tcp", "10.43.0.10", 53, at(COREDNS, 53)),
    Service("shop", "stock", "http", "tcp", "10.43.10.10", 80, at(STOCK, WEB_PORT)),
    Service("shop", "stock", "ticks", "udp", "10.43.10.10", 9000, at(STOCK, UDP_PORT)),
    *pinned(1), *pinned(2), *pinned(3),
    Service("shop", "front", "http", "tcp", "10.43.10.50", 80, at(STOCK, WEB_PORT), node_port=30080),
    Service("shop", "front-k3", "http", "tcp", "10.43.10.53", 80, at(STOCK[2:], WEB_PORT), node_port=30083),
    Service("shop", "parcel", "http", "tcp", "10.43.10.41", 80, at((POD["parcel-1"],), WEB_PORT)),
    Service("shop", "mute", "http", "tcp", "10.43.10.30", 80, at((POD["stock-2"],), MUTE_PORT)),
    Service("shop", "closed", "http", "tcp", "10.43.10.31", 80, at((POD["stock-2"],), CLOSED_PORT)),
    Service("shop", "empty", "http", "tcp", "10.43.10.40", 80, ()),
)
SERVICE = {service.full_name: service for service in SERVICES}


def node_of(address):
    """The name of the node where an address lives; None outside the cluster."""
    for node in NODES:
        if address in (node.address, node.address6) or (address == VIP and node.name == VIP_NODE):
            return node.name
        ip = ipaddress.ip_address(address)
        if ip in ipaddress.ip_network(node.pod_cidr if ip.version == 4 else node.pod_cidr6):
            return node.name
    return None


def is_service(address):
    ip = ipaddress.ip_address(address)
    return ip in ipaddress.ip_network(SERVICE_CIDR if ip.version == 4 else SERVICE_CIDR6)


def is_pod(address):
    ip = ipaddress.ip_address(address)
    if address in [node.tunnel_address for node in NODES]:
        return False
    return ip in ipaddress.ip_network(POOL if ip.version == 4 else POOL6)
