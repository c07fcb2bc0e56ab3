"""Healthy traffic on every path but the ingress."""

from cases.words import calls, case, expect, get, http, mixed, ping, pod, service, udp
from rules import Options
from topology import KAPPA1, KAPPA2, KAPPA3, OUTSIDE_WEB, OUTSIDE_WEB6, POD, UDP_PORT


# -- 1: pod to Service -------------------------------------------------------------------------

@case("pod-to-service-other-node", "a pod calls a Service whose only endpoint is on another node")
def _(lab):
    lab.run("cart-1", *calls(service("stock-k3"), 4))


@case("pod-to-service-same-node", "a pod calls a Service whose only endpoint is on its own node")
def _(lab):
    lab.run("cart-1", *calls(service("stock-k1"), 4))


@case("pod-to-service-hairpin", "a pod reaches itself through its Service, hence masqueraded")
def _(lab):
    lab.run("stock-1", *calls(service("stock-k1"), 3))


@case("pod-to-service-dns", "a pod looks the Service's name up (search domain, A and AAAA), then calls it")
def _(lab):
    lab.run("cart-1", *[http(service(name), get(host=f"{name}.shop"), name=name)
                        for name in ("stock-k3", "stock-k1", "stock-k2")])


@case("pod-to-service-balanced", "three pods call one Service with three endpoints: any route comes up")
def _(lab):
    for place in ("cart-1", "cart-3", "cart-4"):
        lab.start(place, *calls(service("stock"), 4))
    lab.wait()


@case("pod-to-service-masquerade", "kube-proxy masquerades every call: both addresses change at once",
      options=Options(masquerade_all=True))
def _(lab):
    lab.run("cart-1", *calls(service("stock-k3"), 3), *calls(service("stock-k1"), 2),
            udp(service("stock-k2", "ticks"), 1))


@case("pod-to-service-udp", "datagrams to a UDP Service, pods on the same and on another node")
def _(lab):
    lab.run("cart-1", udp(service("stock-k3", "ticks")), udp(service("stock-k1", "ticks")))


@case("pod-to-service-ipv6", "pod to Service over IPv6, other node and same node")
def _(lab):
    lab.run("cart-1", *calls(service("stock-k3", six=True), 2), *calls(service("stock-k1", six=True), 2),
            udp(service("stock-k2", "ticks", six=True), 2))


def load(lab, places, targets, connections=300, together=24):
    for place in places:
        lab.start(place, *mixed(targets, connections // len(places)), together=together // len(places))
    lab.wait()


CLIENTS = ("cart-1", "cart-2", "cart-3", "cart-4")
STOCKS = ("stock", "stock-k1", "stock-k2", "stock-k3")


@case("pod-to-service-load", "300 connections, 24 at once, from four pods to four Services: all routes mixed",
      store=None)
def _(lab):
    load(lab, CLIENTS, [service(name) for name in STOCKS])


# -- 2: pod to pod -----------------------------------------------------------------------------

@case("pod-to-pod-other-node", "a pod calls another pod's address, on another node")
def _(lab):
    lab.run("cart-1", *calls(pod("stock-3"), 4))


@case("pod-to-pod-same-node", "a pod calls another pod's address, on its own node")
def _(lab):
    lab.run("cart-1", *calls(pod("stock-1"), 4))


@case("pod-to-pod-ipv6", "pod to pod over IPv6, other node and same node")
def _(lab):
    lab.run("cart-1", *calls(pod("stock-2", six=True), 2), *calls(pod("stock-1", six=True), 2),
            ping(pod("stock-3", six=True)[0], 2))


@case("pod-to-pod-udp", "datagrams between pods, one larger than a packet (fragments)")
def _(lab):
    lab.run("cart-1", udp(pod("stock-2", UDP_PORT), 2), udp(pod("stock-1", UDP_PORT), 2),
            udp(pod("stock-2", UDP_PORT), 1, size=4000))


@case("pod-to-pod-load", "200 connections, 24 at once, between pods on all nodes", store=None)
def _(lab):
    load(lab, CLIENTS, [pod(f"stock-{n}") for n in (1, 2, 3)], 200)


@case("icmp-echo", "ping between pods, on the same node and on another, at the same time")
def _(lab):
    lab.run("cart-1", ping(pod("stock-3")[0], 4), ping(pod("stock-1")[0], 4), together=2)


@case("icmp-errors", "port unreachable (closed UDP port), and time exceeded at each hop on the way")
def _(lab):
    lab.run("cart-1", ping(pod("stock-3")[0], 1))
    for name, node in (("stock-3", "kappa3"), ("stock-1", "kappa1")):
        lab.run("cart-1", udp(pod(name, 9999), 2, expect=expect("refused", "request", "workload", node)))
    for ttl, where in ((1, ("host", "kappa1")), (2, ("fabric", None)), (3, ("host", "kappa3"))):
        lab.run("cart-1", udp(pod("stock-3", UDP_PORT), 1, ttl=ttl, expect=expect("failed", "request", *where)))


@case("icmp-host-unreachable", "a datagram and a ping to a pod that is gone; after three seconds its node says so")
def _(lab):
    lab.run("cart-1", udp(pod("parcel-1", UDP_PORT), 1), ping(pod("parcel-1")[0], 1))
    lab.unplug(POD["parcel-1"])
    wanted = expect("failed", "request", "host", "kappa2")
    lab.run("cart-1", udp(pod("parcel-1", UDP_PORT), 1, timeout=5, expect=wanted),
            ping(pod("parcel-1")[0], 1, timeout=5, expect=wanted), together=2)


# -- 4: outside to pod -------------------------------------------------------------------------

@case("external-to-pod-direct", "an outside client calls a pod's address; the switch knows the pod's node")
def _(lab):
    lab.run("client", *calls(pod("stock-3"), 4))


@case("external-to-pod-detour", "the switch sends the pod's address to another node first, which sends it on",
      options=Options(drop_invalid=False))
def _(lab):
    lab.detour(POD["stock-3"], KAPPA2)
    lab.run("client", *calls(pod("stock-3"), 3), *calls(pod("stock-1"), 1))


@case("external-to-pod-ipv6", "an outside client calls pods over IPv6")
def _(lab):
    lab.run("client", *calls(pod("stock-3", six=True), 2), *calls(pod("stock-1", six=True), 1))


@case("external-to-pod-load", "200 connections, 24 at once, from outside to pods, one of them by a detour", store=None,
      options=Options(drop_invalid=False))
def _(lab):
    lab.detour(POD["stock-3"], KAPPA2)
    load(lab, ("client",), [pod(f"stock-{n}") for n in (1, 2, 3)], 200)


# -- 5: outside to Service ---------------------------------------------------------------------

@case("external-to-service-same-node", "an outside client calls a Service address; masqueraded, pod on the first node")
def _(lab):
    lab.run("client", *calls(service("stock-k1"), 3))


@case("external-to-service-other-node", "an outside client calls a Service address; masqueraded, pod on another node")
def _(lab):
    lab.run("client", *calls(service("stock-k3"), 3))


@case("external-to-service-no-masquerade", "the same where nothing is masqueraded, pod on the first node",
      options=Options(masquerade_external=False))
def _(lab):
    lab.run("client", *calls(service("stock-k1"), 3))


@case("external-to-service-ipv6", "an outside client calls Services over IPv6, masqueraded")
def _(lab):
    lab.run("client", *calls(service("stock-k3", six=True), 2), *calls(service("stock-k1", six=True), 1))


@case("external-to-service-load", "200 connections, 24 at once, from outside to Services", store=None)
def _(lab):
    lab.services_to(KAPPA2)
    load(lab, ("client",), [service(name) for name in STOCKS], 200)


# -- beyond the five ---------------------------------------------------------------------------

@case("nodeport", "an outside client calls a NodePort; the pod is on that node, and on another")
def _(lab):
    for node, port in ((KAPPA3, 30083), (KAPPA2, 30083), (KAPPA1, 30080)):
        lab.run("client", *calls((node.address, port), 2))


@case("pod-to-external", "pods call a host outside the pool and leave with their node's address")
def _(lab):
    lab.run("cart-1", *calls((OUTSIDE_WEB, 80), 2), http((OUTSIDE_WEB6, 80), get()), ping(OUTSIDE_WEB, 2),
            http((None, 80), get(host="pay.example.test"), name="pay.example.test"))


@case("host-to-pod", "a kubelet's probes: HTTP and bare TCP connections from the node to its pods")
def _(lab):
    lab.run("kappa1", *calls(pod("stock-1"), 2), http(pod("stock-1")), http(pod("stock-1", six=True), get()))
    lab.run("kappa2", http(pod("stock-2"), get()), http(pod("coredns-1", 53)))


@case("host-to-service", "a node's own process calls Services: translated in OUTPUT, and masqueraded")
def _(lab):
    lab.run("kappa1", *calls(service("stock-k3"), 2), *calls(service("stock-k1"), 2))


@case("mixed-paths", "several paths at once on all nodes, as on a living cluster")
def _(lab):
    lab.start("cart-1", *calls(service("stock-k3"), 3), *calls(pod("stock-1"), 2), udp(service("stock-k2", "ticks"), 2))
    lab.start("cart-3", http(service("stock"), get(), get(), name="stock"), ping(pod("stock-1")[0], 2))
    lab.start("cart-4", *calls(pod("stock-2"), 2), *calls((OUTSIDE_WEB, 80), 2))
    lab.start("client", *calls(pod("stock-3"), 2), *calls(service("stock-k2"), 2), *calls((KAPPA2.address, 30080), 2))
    lab.start("kappa1", *calls(pod("stock-1"), 2))
    lab.wait()
