"""Healthy traffic of an unusual kind: connections, bodies, segments, name lookups."""

from cases.words import calls, case, dns, expect, get, http, pod, post, service
from topology import NODES


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


@case("tls", "HTTPS to a Service on another node and on the same; all that can be seen is the server's name")
def _(lab):
    lab.run("cart-1", *[http(service(f"stock-k{n}", "https"), get(), get(), tls="stock.shop") for n in (3, 1)])


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
