"""Faults. Healthy traffic comes first in each, so that the packets themselves tell where the pods are."""

from cases.words import calls, case, dns, expect, get, http, pod, service, udp
from rules import Options
from topology import CLOSED_PORT, KAPPA2, NODES, POD


PATIENCE = dict(timeout=5)


def healthy(lab, place="cart-1"):
    lab.run(place, *calls(service("stock-k3"), 1), *calls(service("stock-k1"), 1), *calls(pod("stock-2"), 1))


def attempts(to, wanted, count=2):
    return [http(to, get(expect=wanted), **PATIENCE) for _ in range(count)]


def suffer(lab, to, wanted, place="cart-1", six=False):
    """Two clients meet the fault at the same time, while another pod's calls go well."""
    lab.start(place, *attempts(to, wanted), together=2)
    lab.settle(0.5)
    lab.run("cart-2" if place == "cart-1" else place, *calls(service("stock-k1"), 1), *calls(pod("stock-2"), 1))


@case("fault-policy-egress", "a policy at the client's node drops what leaves the client pod (FORWARD)")
def _(lab):
    healthy(lab)
    lab.deny(POD["cart-1"], "from", "-d", POD["stock-3"].address, "-p", "tcp")
    suffer(lab, service("stock-k3"), expect("lost", "request", "host", "kappa1"))


@case("fault-policy-ingress", "a policy at the server's node drops what goes to the server pod (FORWARD)")
def _(lab):
    healthy(lab)
    lab.deny(POD["stock-3"], "to", "-s", POD["cart-1"].address, "-p", "tcp")
    suffer(lab, service("stock-k3"), expect("lost", "request", "host", "kappa3"))


@case("fault-policy-same-node", "a policy drops a pod's traffic to another pod of its own node")
def _(lab):
    healthy(lab)
    lab.deny(POD["stock-1"], "to", "-s", POD["cart-1"].address, "-p", "tcp")
    suffer(lab, pod("stock-1"), expect("lost", "request", "host", "kappa1"))


@case("fault-fabric", "the switch drops the request between two nodes")
def _(lab):
    healthy(lab)
    lab.drop("switch", "-s", POD["cart-1"].address, "-d", POD["stock-3"].address)
    suffer(lab, service("stock-k3"), expect("lost", "request", "fabric"))


@case("fault-fabric-reply", "the switch drops the reply between two nodes")
def _(lab):
    healthy(lab)
    lab.drop("switch", "-s", POD["stock-3"].address, "-d", POD["cart-1"].address)
    suffer(lab, service("stock-k3"), expect("lost", "reply", "fabric"))


@case("fault-reply-server-node", "the server's node drops the reply in FORWARD")
def _(lab):
    healthy(lab)
    lab.drop("kappa3", "-s", POD["stock-3"].address, "-d", POD["cart-1"].address)
    suffer(lab, service("stock-k3"), expect("lost", "reply", "host", "kappa3"))


@case("fault-reply-client-node", "the client's node drops the reply in FORWARD")
def _(lab):
    healthy(lab)
    lab.drop("kappa1", "-s", POD["stock-3"].address, "-d", POD["cart-1"].address)
    suffer(lab, service("stock-k3"), expect("lost", "reply", "host", "kappa1"))


@case("fault-fabric-ipv6", "the switch drops IPv6 requests between two nodes")
def _(lab):
    lab.run("cart-1", *calls(service("stock-k3", six=True), 1))
    lab.drop("switch", "-s", POD["cart-1"].address6, "-d", POD["stock-3"].address6)
    suffer(lab, service("stock-k3", six=True), expect("lost", "request", "fabric"))


@case("fault-fabric-udp", "the switch drops datagrams to a UDP Service")
def _(lab):
    lab.run("cart-1", udp(service("stock-k3", "ticks"), 2))
    lab.drop("switch", "-p", "udp", "-s", POD["cart-1"].address, "-d", POD["stock-3"].address)
    lab.run("cart-1", udp(service("stock-k3", "ticks"), 3, timeout=1, expect=expect("lost", "request", "fabric")))


@case("fault-port-closed", "nothing listens on the pod's port: RST")
def _(lab):
    healthy(lab)
    wanted = expect("refused", "request", "workload", "kappa2")
    lab.run("cart-1", *attempts(service("closed"), wanted), *attempts(pod("stock-2", CLOSED_PORT), wanted, 1))


@case("fault-pod-gone", "the pod no longer answers ARP; after three seconds the node says host unreachable")
def _(lab):
    lab.run("cart-1", *calls(service("parcel"), 2))
    lab.unplug(POD["parcel-1"])
    suffer(lab, service("parcel"), expect("lost", "request", "host", "kappa2"))


@case("fault-pod-gone-no-route", "the pod and its route are gone; the node's blackhole swallows the packets")
def _(lab):
    lab.run("cart-1", *calls(service("parcel"), 2))
    lab.unroute(POD["parcel-1"])
    suffer(lab, service("parcel"), expect("lost", "request", "host", "kappa2"))


@case("fault-no-endpoints", "the Service has no endpoints: REJECT with an ICMP port unreachable at the client's node")
def _(lab):
    healthy(lab)
    wanted = expect("refused", "request", "host", "kappa1")
    lab.run("cart-1", *attempts(service("empty"), wanted, 2), *attempts(service("empty", six=True), wanted, 1))


@case("fault-nxdomain", "the name does not exist in any search domain, so no connection follows")
def _(lab):
    healthy(lab)
    lab.run("cart-1", http((None, 80), get(), name="stok"))


@case("fault-dns-silent", "queries reach the CoreDNS pods and nothing comes back")
def _(lab):
    lab.run("cart-1", dns("stock"))
    lab.freeze(POD["coredns-1"])
    lab.freeze(POD["coredns-2"])
    lab.run("cart-1", dns("stock", expect=expect("lost", "reply", "dns")))


@case("fault-dns-lost", "queries to the CoreDNS pods are dropped by the switch")
def _(lab):
    lab.run("cart-1", dns("stock"))
    lab.drop("switch", "-s", POD["cart-1"].address, "-p", "udp", "--dport", "53")
    lab.run("cart-1", dns("stock", expect=expect("lost", "request", "dns")))


@case("fault-mtu", "small packets pass, the switch drops large ones and says nothing (MTU black hole)")
def _(lab):
    for node in NODES:
        lab.offloads(node.name, "bond1", tso=False, gso=False)
    healthy(lab)
    lab.drop("switch", "-m", "length", "--length", "1450:65535")
    lab.run("cart-1", *calls(service("stock-k3"), 1))
    wanted = expect("lost", "request", "fabric")
    lab.start("cart-1", http(service("stock-k3"), get(large_head=3000, expect=wanted), **PATIENCE))
    lab.start("cart-2", http(service("stock-k3"), get("/medium", expect=expect("lost", "reply", "fabric")), **PATIENCE))
    lab.wait()


@case("fault-mute-server", "the server accepts connections and never answers")
def _(lab):
    healthy(lab)
    suffer(lab, service("mute"), expect("lost", "reply", "workload", "kappa2"))


@case("fault-detour-invalid", "a detour where kube-proxy drops INVALID: the first node never sees replies, "
      "so it drops all but the SYN")
def _(lab):
    lab.run("client", *calls(pod("stock-3"), 1))
    lab.detour(POD["stock-3"], KAPPA2)
    lab.run("client", *attempts(pod("stock-3"), expect("lost", "request", "host", "kappa2"), 1),
            *calls(pod("stock-1"), 1), together=2)


@case("fault-routing-loop", "a stale route: node and switch send the packet to each other until its TTL is over")
def _(lab):
    lab.run("client", *calls(pod("stock-3"), 1))
    lab.detour(POD["stock-3"], KAPPA2, always=True)
    lab.run("client", *attempts(pod("stock-3"), expect("lost", "request", "fabric"), 1),
            *calls(pod("stock-1"), 1), together=2)


@case("fault-asymmetric-service", "an outside call to a Service, not masqueraded, pod on another node: the reply "
      "goes past the translation", options=Options(masquerade_external=False))
def _(lab):
    lab.run("client", *calls(service("stock-k1"), 1))
    lab.run("client", http(service("stock-k3"), get(expect=expect("lost", "reply", "fabric")), timeout=4))


@case("fault-external-to-pod", "the pod's node drops an outside client's request in FORWARD")
def _(lab):
    lab.run("client", *calls(pod("stock-3"), 1), *calls(pod("stock-1"), 1))
    lab.deny(POD["stock-3"], "to", "-s", "172.31.9.0/24", "-p", "tcp")
    lab.run("client", *attempts(pod("stock-3"), expect("lost", "request", "host", "kappa3")), *calls(pod("stock-1"), 2),
            together=4)


# -- an overlay --------------------------------------------------------------------------------

@case("fault-vxlan-host", "the client's node drops the VXLAN datagrams of one of its pods' packets (OUTPUT)",
      overlay="vxlan")
def _(lab):
    healthy(lab)
    lab.drop("kappa1", *vxlan_with(POD["cart-1"], POD["stock-3"]), chain="OUTPUT")
    suffer(lab, service("stock-k3"), expect("lost", "request", "host", "kappa1"))


@case("fault-vxlan-fabric", "the switch drops the VXLAN datagrams that carry a pod's replies", overlay="vxlan")
def _(lab):
    healthy(lab)
    lab.drop("switch", *vxlan_with(POD["stock-3"], POD["cart-1"]))
    suffer(lab, service("stock-k3"), expect("lost", "reply", "fabric"))


def vxlan_with(source, target):
    """What iptables matches a VXLAN datagram by that carries this pod's packet to that pod. The addresses inside
    begin 62 bytes into the outer IP packet: headers of IP 20, UDP 8, VXLAN 8, Ethernet 14, and 12 of the inner one."""
    number = lambda pod: "0x" + "".join(f"{int(part):02x}" for part in pod.address.split("."))
    return ("-p", "udp", "--dport", "4789", "-m", "u32",
            "--u32", f"62={number(source)} && 66={number(target)}")
