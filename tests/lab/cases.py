"""The cases: what each client does, and what is done to the cluster meanwhile.

A case is a function of a Session (record.py). To add one, write such a function under @case; `store`
says what of it belongs in captures/: "ethernet", "sll2", or None for what is too large to keep.
"""

from dataclasses import dataclass
from typing import Callable

from rules import Options
from topology import (CLOSED_PORT, KAPPA1, KAPPA2, KAPPA3, NODES, OUTSIDE_WEB, OUTSIDE_WEB6, POD, SERVICE,
                      UDP_PORT, VIP, WEB_PORT)


@dataclass(frozen=True)
class Case:
    name: str
    purpose: str
    play: Callable
    store: str = "ethernet"
    options: Options = Options()
    ingress: tuple = ()                 # the Traefiks' nodes and the pods they know; without it no proxy runs
    starts_capture: bool = False        # the case itself says when; else capture comes first
    nodes: tuple = ("kappa1", "kappa2", "kappa3")   # whose files are kept
    snaplen: int = 0                    # how much of each packet is captured; 0 is all
    clocks: tuple = ()                  # (node, seconds): how far this node's clock is ahead


CASES = {}


def case(name, purpose, **more):
    def add(play):
        CASES[name] = Case(name, purpose, play, **more)
        return play
    return add


# -- words for jobs ----------------------------------------------------------------------------

def service(name, port="http", six=False, namespace="shop"):
    found = SERVICE[f"{namespace}/{name}:{port}"]
    return (found.address6 if six else found.address), found.port


def pod(name, port=WEB_PORT, six=False):
    return (POD[name].address6 if six else POD[name].address), port


def get(under="/items", **more):
    """One request; client.py lists what more can be said of it."""
    return {"method": "GET", "under": under, "host": "stock.shop", **more}


def post(size, **more):
    return get("/upload", **{"method": "POST", "body": size, **more})


def http(to, *requests, name=None, **more):
    """One connection. With a name, it is looked up first and `to` gives only the port."""
    place = {"name": name} if name else {"host": to[0]}
    return {"kind": "http", "port": to[1], "requests": list(requests), **place, **more}


def udp(to, count=3, name=None, **more):
    place = {"name": name} if name else {"host": to[0]}
    return {"kind": "udp", "port": to[1], "count": count, **place, **more}


def ping(host, count=3, **more):
    return {"kind": "ping", "host": host, "count": count, **more}


def dns(name, **more):
    return {"kind": "dns", "name": name, **more}


def calls(to, count, **more):
    """Some connections with one request each."""
    return [http(to, get(), **more) for _ in range(count)]


def mixed(targets, count):
    """For loads: connections to the targets in turn; every third one is kept alive for more requests."""
    return [http(targets[i % len(targets)], *[get() for _ in range(1 + 2 * (i % 3 == 0))]) for i in range(count)]


def expect(outcome, direction, kind, node=None):
    return {"outcome": outcome, "direction": direction, "where": {"kind": kind, "node": node}}


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
    lab.run("cart-1", *[http(service(f"stock-k{n}"), get(host=f"stock-k{n}.shop"), name=f"stock-k{n}") for n in (3, 1, 2)])


@case("pod-to-service-balanced", "three pods call one Service with three endpoints: any route comes up")
def _(lab):
    for place in ("cart-1", "cart-3", "cart-4"):
        lab.start(place, *calls(service("stock"), 4))
    lab.wait()


@case("pod-to-service-masquerade", "kube-proxy masquerades every call: both addresses change at once",
      options=Options(masquerade_all=True))
def _(lab):
    lab.run("cart-1", *calls(service("stock-k3"), 3), *calls(service("stock-k1"), 2), udp(service("stock-k2", "ticks"), 1))


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


@case("pod-to-service-load", "300 connections, 24 at once, from four pods to four Services: all routes mixed", store=None)
def _(lab):
    load(lab, ("cart-1", "cart-2", "cart-3", "cart-4"), [service(n) for n in ("stock", "stock-k1", "stock-k2", "stock-k3")])


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
    load(lab, ("cart-1", "cart-2", "cart-3", "cart-4"), [pod(f"stock-{n}") for n in (1, 2, 3)], 200)


@case("icmp-echo", "ping between pods, on the same node and on another, at the same time")
def _(lab):
    lab.run("cart-1", ping(pod("stock-3")[0], 4), ping(pod("stock-1")[0], 4), together=2)


UNREACHABLE = dict(timeout=1.5)


@case("icmp-errors", "port unreachable (closed UDP port), and time exceeded at each hop on the way")
def _(lab):
    target = pod("stock-3", 9999)
    lab.run("cart-1", ping(target[0], 1), udp(target, 2, **UNREACHABLE, expect=expect("refused", "request", "workload", "kappa3")),
            udp(pod("stock-1", 9999), 1, **UNREACHABLE, expect=expect("refused", "request", "workload", "kappa1")))
    for ttl, where in ((1, ("host", "kappa1")), (2, ("fabric", None)), (3, ("host", "kappa3"))):
        lab.run("cart-1", udp(pod("stock-3", UDP_PORT), 1, ttl=ttl, **UNREACHABLE, expect=expect("failed", "request", *where)))


@case("icmp-host-unreachable", "a datagram and a ping to a pod that is gone; after three seconds its node says so")
def _(lab):
    lab.run("cart-1", udp(pod("parcel-1", UDP_PORT), 1), ping(pod("parcel-1")[0], 1))
    lab.unplug(POD["parcel-1"])
    wanted = expect("failed", "request", "host", "kappa2")
    lab.run("cart-1", udp(pod("parcel-1", UDP_PORT), 1, timeout=5, expect=wanted),
            ping(pod("parcel-1")[0], 1, timeout=5, expect=wanted), together=2)


# -- 3: ingress --------------------------------------------------------------------------------

def via(nodes, *pods):
    """HAProxy sends to the Traefiks of these nodes, and they to these pods."""
    return tuple(nodes), tuple(POD[name] for name in pods)


WEB, STREAM, STREAM_PROXY = (VIP, 80), (VIP, 8080), (VIP, 8081)


def visit(**more):
    return get(**{"host": "stock.example.test", **more})


@case("ingress-other-node-pod-elsewhere", "outside client, HAProxy on kappa1, Traefik on kappa2, pod on kappa3",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, visit()) for _ in range(3)])


@case("ingress-other-node-pod-there", "outside client, HAProxy on kappa1, Traefik and pod on kappa2",
      ingress=via([KAPPA2], "stock-2"))
def _(lab):
    lab.run("client", *[http(WEB, visit()) for _ in range(3)])


@case("ingress-same-node-pod-elsewhere", "outside client, HAProxy and Traefik on kappa1, pod on kappa3",
      ingress=via([KAPPA1], "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, visit()) for _ in range(3)])


@case("ingress-same-node-pod-there", "outside client; HAProxy, Traefik and pod all on kappa1",
      ingress=via([KAPPA1], "stock-1"))
def _(lab):
    lab.run("client", *[http(WEB, visit()) for _ in range(3)])


@case("ingress-keep-alive", "several requests on each client connection; HAProxy and Traefik reuse theirs",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, visit(), visit(), visit(**{"under": "/chunked"}), visit()) for _ in range(2)])


@case("ingress-post", "a POST with a body of 20 kB through both proxies",
      ingress=via([KAPPA3], "stock-2"))
def _(lab):
    lab.run("client", http(WEB, post(20_000, host="stock.example.test")), http(WEB, visit(), post(300, host="stock.example.test")))


@case("ingress-slow-server", "the application takes 150 ms: the proxies' own times are small beside it",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, visit(), visit(under="/slow")) for _ in range(3)], together=3)


@case("ingress-mixed", "four clients' connections at once over three Traefiks and three pods: joins must not cross",
      ingress=via(NODES, "stock-1", "stock-2", "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, visit(), visit()) for _ in range(12)], together=4)


@case("ingress-stream", "HAProxy as a plain TCP proxy (:8080), and with the PROXY protocol to Traefik (:8081)",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", *[http(to, visit(), visit()) for to in (STREAM, STREAM_PROXY, STREAM, STREAM_PROXY)])


@case("ingress-direct-traefik", "outside client straight to a node's Traefik, ports 80 and 8080",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", http((KAPPA2.address, 80), visit()), http((KAPPA2.address, 8080), visit()),
            http((KAPPA2.address, 80), visit(), visit()))


@case("ingress-no-route", "Traefik knows no route for the Host: 404 of its own",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    lab.run("client", http(WEB, visit()), *[
        http(WEB, visit(host="nobody.example.test", expect=expect("failed", "request", "proxy", "kappa2"))) for _ in range(2)])


@case("ingress-dead-server", "the pod's port is closed (502 of Traefik), and a service without servers (503)",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    refused, nobody = expect("failed", "request", "workload", "kappa2"), expect("failed", "request", "proxy", "kappa2")
    lab.run("client", http(WEB, visit()), http(WEB, visit(host="dead.example.test", expect=refused)),
            http(WEB, visit(host="none.example.test", expect=nobody)))


@case("ingress-load", "150 connections, 24 at once, through HAProxy and three Traefiks to three pods", store=None,
      ingress=via(NODES, "stock-1", "stock-2", "stock-3"))
def _(lab):
    lab.run("client", *[http(WEB, *[visit() for _ in range(1 + 2 * (i % 3 == 0))]) for i in range(150)], together=24)


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
    load(lab, ("client",), [service(n) for n in ("stock", "stock-k1", "stock-k2", "stock-k3")], 200)


# -- beyond the five ---------------------------------------------------------------------------

@case("nodeport", "an outside client calls a NodePort; the pod is on that node, and on another")
def _(lab):
    lab.run("client", *calls((KAPPA3.address, 30083), 2), *calls((KAPPA2.address, 30083), 2), *calls((KAPPA1.address, 30080), 2))


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


# -- connections of an unusual kind ------------------------------------------------------------

@case("port-reuse", "one client port connects to the same Service again and again: other endpoints, other numbers")
def _(lab):
    lab.run("cart-1", *[http(service("stock"), get(), local_port=40001, reset=True) for _ in range(6)],
            *[http(service("stock-k3"), get(close=True), local_port=40002) for _ in range(3)])


@case("mid-stream", "the capture begins when connections are open and in use", starts_capture=True)
def _(lab):
    go = lab.cluster.workdir / "go-on"
    go.unlink(missing_ok=True)
    for to in (service("stock-k3"), service("stock-k1"), pod("stock-2")):
        lab.start("cart-1", http(to, get(), get(), get(), hold=str(go)))
    lab.settle(1.0)
    lab.start_capture()
    go.touch()
    lab.run("cart-1", *calls(service("stock-k3"), 1))


@case("keep-alive", "several requests on one connection, new ones between them")
def _(lab):
    lab.run("cart-1", http(service("stock-k3"), *[get(pause_before=0.05) for _ in range(6)]),
            *[http(service("stock-k3"), get(pause_before=0.04)) for _ in range(3)], together=3)


@case("segmented-heads", "request heads that come in pieces, and heads longer than a packet")
def _(lab):
    lab.run("cart-1", http(service("stock-k3"), get(pieces=4, pause=0.03), get(pieces=9, pause=0.01)),
            http(service("stock-k1"), get(pieces=3, pause=0.03)), http(service("stock-k3"), get(large_head=4000)))


@case("http-bodies", "chunked answers, POST with a body, an answer of 404")
def _(lab):
    lab.run("cart-1", http(service("stock-k3"), get("/chunked"), post(5000), get("/missing")),
            http(service("stock-k1"), post(20_000)))


@case("slow-server", "the application takes 150 ms to answer, and other requests pass it by")
def _(lab):
    lab.run("cart-1", http(service("stock-k3"), get("/slow"), get()), http(service("stock-k1"), get("/slow")),
            *calls(service("stock-k3"), 2), together=2)


def cut_on_uplinks(lab):
    """Large segments on cali, cut ones on bond1; kappa2 glues what it receives, kappa3 does not."""
    for node in NODES:
        lab.offloads(node.name, "bond1", tso=False, gso=False)
    # A veth glues (GRO) only what comes from a peer that cannot send large segments itself.
    lab.offloads("switch", "kappa2", tso=False, gso=False)
    lab.offloads("kappa2", "bond1", gro=True)


def large_transfer(lab):
    lab.run("cart-1", *[http(service(name), request) for name in ("stock-k2", "stock-k3")
                        for request in (get("/large"), post(1_500_000))])


@case("offloads-small", "uploads and a download of 50 kB: large segments on cali, cut ones on bond1, "
      "glued where kappa2 receives")
def _(lab):
    cut_on_uplinks(lab)
    lab.run("cart-1", http(service("stock-k2"), post(50_000)), http(service("stock-k3"), post(50_000), get("/medium")))


@case("offloads-cut", "the same with megabytes", store=None)
def _(lab):
    cut_on_uplinks(lab)
    large_transfer(lab)


@case("offloads-whole", "megabytes where no interface cuts anything: 64 kB segments everywhere", store=None)
def _(lab):
    large_transfer(lab)


# -- DNS ---------------------------------------------------------------------------------------

@case("dns-kinds", "A, AAAA, SRV, a CNAME chain, a name that does not exist, and a search through all domains")
def _(lab):
    zone = "shop.svc.cluster.local"
    lab.run("cart-1", dns(f"stock.{zone}", type="A"), dns(f"stock.{zone}", type="AAAA"),
            dns(f"_http._tcp.stock.{zone}", type="SRV"), dns(f"shelf.{zone}", type="A"), dns("stock-k2"),
            dns(f"nothing.{zone}", type="A", expect=expect("failed", "reply", "dns")), dns("pay.example.test"))


@case("dns-truncated", "an answer too large for UDP comes back truncated; the client asks again over TCP")
def _(lab):
    lab.run("cart-1", dns("crowd.shop.svc.cluster.local", type="A"))
    lab.run("cart-4", dns("crowd.shop.svc.cluster.local", type="A"))


# -- faults ------------------------------------------------------------------------------------
# Healthy traffic comes first in each, so that the packets themselves tell where the pods are.

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
    suffer(lab, service("parcel"), expect("failed", "request", "host", "kappa2"))


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
    lab.run("client", *attempts(pod("stock-3"), expect("failed", "request", "fabric"), 1), *calls(pod("stock-1"), 1), together=2)


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


# -- the same as others see it -----------------------------------------------------------------

def again(name, of, why, **more):
    """A case that plays another one, kept in another form."""
    CASES[name] = Case(name, f"{CASES[of].purpose}; {why}", CASES[of].play, options=CASES[of].options,
                       ingress=CASES[of].ingress, **more)


again("pod-to-service-other-node-sll2", "pod-to-service-other-node", "captured with tcpdump -i any", store="sll2")
again("mixed-paths-sll2", "mixed-paths", "captured with tcpdump -i any", store="sll2")
again("fault-policy-ingress-sll2", "fault-policy-ingress", "captured with tcpdump -i any", store="sll2")
again("pod-to-service-one-node", "pod-to-service-other-node", "only the client's node was captured", nodes=("kappa1",))
again("mixed-paths-one-node", "mixed-paths", "only the second node was captured", nodes=("kappa2",))
again("ingress-same-node-pod-there-sll2", "ingress-same-node-pod-there", "captured with tcpdump -i any, hence with lo", store="sll2")
again("mixed-paths-snaplen", "mixed-paths", "only the first 96 bytes of each packet were captured", snaplen=96)
again("mixed-paths-clocks", "mixed-paths", "the nodes' clocks differ by milliseconds", clocks=(("kappa2", 0.0042), ("kappa3", -0.0031)))
again("fault-fabric-clocks", "fault-fabric", "one node's clock is half a minute ahead", clocks=(("kappa3", 31.7),))
