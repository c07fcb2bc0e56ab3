"""Many at once through the proxies: what joins must get right, and what they may leave open."""

from cases.ingress import front, via, visit
from cases.words import case, http
from topology import KAPPA2, NODES

EVERYWHERE = via(NODES, "stock-1", "stock-2", "stock-3")
ONE_WAY = via([KAPPA2], "stock-3")


def alike(**more):
    """A request like all others: same path, same host, same length, no header that a proxy or a program knows."""
    return visit(**{"under": "/same", "alike": True, **more})


def steady(**more):
    """The same, of an application that takes 150 ms: so many wait at once, and few are inside a proxy at once."""
    return alike(under="/slow/same", **more)


def varied(**more):
    """The same, of an application that takes 100 to 500 ms: requests that go in together seldom come out together."""
    return alike(under="/varied/same", **more)


def distinct(to, count, **more):
    """Connections with one request each, but every third is kept alive for three."""
    return [http(to, *[visit(**more) for _ in range(1 + 2 * (i % 3 == 0))]) for i in range(count)]


def kept_alive(to, connections, requests, request=alike):
    return [http(to, *[request() for _ in range(requests)]) for _ in range(connections)]


def thoughtful(to, connections, requests, request=steady):
    """Waits a little before each request, as clients that know nothing of each other do; 24 of 28 wait for answers."""
    return [http(to, *[request(pause_before=(29 * i + 17 * j) % 50 / 1000) for j in range(requests)])
            for i in range(connections)]


def load(name, purpose, ingress=EVERYWHERE, **more):
    return case(f"ingress-load{name}", purpose, store=None, ingress=ingress, loopback=True, **more)


@load("", "250 requests, 24 at once, through HAProxy and three Traefiks to three pods")
def _(lab):
    lab.run("client", *distinct(front("web"), 150), together=24)


@load("-64", "600 distinct requests, 64 at once, through HAProxy and three Traefiks to three pods")
def _(lab):
    lab.run("client", *distinct(front("web"), 360), together=64)


@load("-64-plain", "the same, and HAProxy adds no header at all")
def _(lab):
    lab.run("client", *distinct(front("plain"), 360), together=64)


@load("-identical", "identical requests on 24 kept-alive connections at once, over pooled ones behind the proxies")
def _(lab):
    lab.run("client", *thoughtful(front("web"), 28, 9, varied), together=28)


@load("-identical-steady", "the same of an application that takes 150 ms for each, so that they also come out together")
def _(lab):
    lab.run("client", *thoughtful(front("web"), 28, 9), together=28)


@load("-identical-one", "the same with one Traefik and one pod, so that all share one pool", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *thoughtful(front("web"), 28, 9), together=28)


@load("-identical-busy", "identical requests as fast as they can be answered, so that the proxies mix their order",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", *kept_alive(front("web"), 24, 10), together=24)


@load("-identical-stream", "identical requests on 24 connections at once, HAProxy as a plain TCP proxy")
def _(lab):
    lab.run("client", *kept_alive(front("stream"), 24, 10), together=24)


@load("-identical-v2", "the same with the PROXY protocol to Traefik")
def _(lab):
    lab.run("client", *kept_alive(front("stream_v2"), 24, 10), together=24)


@load("-tls", "TLS to Traefik through HAProxy as a plain TCP proxy, 3 at once: only the pods' side can be read")
def _(lab):
    lab.run("client", *[http(front("tls"), visit(), tls="stock.example.test") for _ in range(90)], together=3)


@load("-tls-direct", "TLS straight to a node's Traefik, 3 at once")
def _(lab):
    to = [(node.address, 443) for node in NODES]
    lab.run("client", *[http(to[i % 3], visit(), tls="stock.example.test") for i in range(90)], together=3)


def accuracy(kind, at_once):
    """A case of the accuracy table: about 300 requests of one kind, so many at once."""
    count = max(64, at_once)
    jobs = {
        "distinct": lambda: distinct(front("web"), 180),
        "identical": lambda: thoughtful(front("web"), count, 6) if at_once > 1 else kept_alive(front("web"), count, 6),
        "identical-busy": lambda: kept_alive(front("web"), count, 6),
        "stream": lambda: kept_alive(front("stream"), count, 6),
        "proxy-protocol": lambda: kept_alive(front("stream_v2"), count, 6),
        "tls": lambda: [http(front("tls"), visit(), tls="stock.example.test") for _ in range(150)],
    }[kind]

    @case(f"accuracy-{kind}-{at_once}", f"for the accuracy table: {kind}, {at_once} at once", store=None,
          ingress=EVERYWHERE, loopback=True)
    def _(lab):
        lab.run("client", *jobs(), together=at_once)


for kind in ("distinct", "identical", "identical-busy", "stream", "proxy-protocol", "tls"):
    for at_once in (1, 16, 64):
        accuracy(kind, at_once)
