"""Many at once through the proxies: what joins must get right, and what they may leave open."""

from cases.ingress import front, via, visit
from cases.words import case, http
from topology import KAPPA2, NODES

EVERYWHERE = via(NODES, "stock-1", "stock-2", "stock-3")
ONE_WAY = via([KAPPA2], "stock-3")


def alike(**more):
    """A request like all others: same path, same host, same length, no header that a proxy or a program knows."""
    return visit(under="/same", alike=True, **more)


def distinct(to, count, **more):
    """Connections with one request each, but every third is kept alive for three."""
    return [http(to, *[visit(**more) for _ in range(1 + 2 * (i % 3 == 0))]) for i in range(count)]


def kept_alive(to, connections, requests, **more):
    return [http(to, *[alike(**more) for _ in range(requests)]) for _ in range(connections)]


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
    lab.run("client", *kept_alive(front("web"), 24, 20), together=24)


@load("-identical-one", "the same with one Traefik and one pod, so that all share one pool", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *kept_alive(front("web"), 24, 20), together=24)


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
