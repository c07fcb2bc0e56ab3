"""Ingress: outside client, HAProxy on the VIP, Traefik on a node, pod."""

from cases.words import case, expect, get, http, post
from proxies import PORT
from topology import KAPPA1, KAPPA2, KAPPA3, NODES, POD, VIP


def via(nodes, *pods):
    """HAProxy sends to the Traefiks of these nodes, and they to these pods."""
    return tuple(nodes), tuple(POD[name] for name in pods)


# Between requests whose proxies try servers that refuse: which try was whose is told by time.
APART = 0.15


def front(name):
    """A port of HAProxy's."""
    return VIP, PORT[name]


WEB, STREAM, STREAM_PROXY = front("web"), front("stream"), front("stream_v2")


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
    host = "stock.example.test"
    lab.run("client", http(WEB, post(20_000, host=host)), http(WEB, visit(), post(300, host=host)))


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
    nobody = visit(host="nobody.example.test", expect=expect("failed", "request", "proxy", "kappa2"))
    lab.run("client", http(WEB, visit()), *[http(WEB, dict(nobody)) for _ in range(2)])


@case("ingress-dead-server", "the pod's port is closed (502 of Traefik), and a service without servers (503)",
      ingress=via([KAPPA2], "stock-3"))
def _(lab):
    refused, nobody = expect("failed", "request", "workload", "kappa2"), expect("failed", "request", "proxy", "kappa2")
    lab.run("client", http(WEB, visit()), http(WEB, visit(host="dead.example.test", expect=refused), delay=APART),
            http(WEB, visit(host="none.example.test", expect=nobody), delay=APART))


