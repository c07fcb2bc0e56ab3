"""What goes wrong at the proxies, between them and behind them."""

from cases.ingress import APART, front, via, visit
from cases.words import case, expect, http
from topology import KAPPA1, KAPPA2, POD, VIP, WEB_PORT

ONE_WAY = via([KAPPA2], "stock-3")


def healthy(lab, to=None):
    """Also leaves pooled connections behind."""
    lab.run("client", *[http(to or front("web"), visit()) for _ in range(2)])


def suffer(lab, wanted, to=None, count=2, timeout=3, **more):
    lab.run("client", *[http(to or front("web"), visit(expect=wanted, **more), timeout=timeout)
                        for _ in range(count)], together=count)


@case("ingress-fault-output", "what Traefik sends to the pod is dropped in OUTPUT: it never leaves the node",
      ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("kappa2", "-d", POD["stock-3"].address, chain="OUTPUT")
    suffer(lab, expect("lost", "request", "proxy", "kappa2"))


@case("ingress-fault-forward", "the pod's node drops in FORWARD what Traefik sends to the pod", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("kappa3", "-d", POD["stock-3"].address, "-s", KAPPA2.address)
    suffer(lab, expect("lost", "request", "host", "kappa3"))


@case("ingress-fault-forward-new", "the same, and no pooled connection is there yet", ingress=ONE_WAY)
def _(lab):
    lab.run("client", http((POD["stock-3"].address, WEB_PORT), visit()))
    lab.drop("kappa3", "-d", POD["stock-3"].address, "-s", KAPPA2.address)
    suffer(lab, expect("lost", "request", "host", "kappa3"))


@case("ingress-fault-reply", "the pod's node drops the answer to Traefik in FORWARD", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("kappa3", "-s", POD["stock-3"].address, "-d", KAPPA2.address)
    suffer(lab, expect("lost", "reply", "host", "kappa3"))


@case("ingress-fault-fabric", "the switch drops what HAProxy sends to Traefik", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("switch", "-s", KAPPA1.address, "-d", KAPPA2.address)
    suffer(lab, expect("lost", "request", "fabric"), timeout=2)


@case("ingress-fault-fabric-behind", "the switch drops what Traefik sends to the pod", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("switch", "-s", KAPPA2.address, "-d", POD["stock-3"].address)
    suffer(lab, expect("lost", "request", "fabric"))


@case("ingress-fault-vip", "HAProxy's node drops in INPUT what comes for the VIP", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    lab.drop("kappa1", "-d", VIP, chain="INPUT")
    suffer(lab, expect("lost", "request", "proxy", "kappa1"))


@case("ingress-fault-no-server", "HAProxy's only server refuses: 503 of its own", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    wanted = expect("failed", "request", "proxy")
    lab.run("client", *[http(front("gone"), visit(expect=wanted), delay=APART) for _ in range(2)])


@case("ingress-fault-timeout", "the client never ends its head: 408 of HAProxy", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    suffer(lab, expect("failed", "request", "proxy", "kappa1"), unfinished=True, timeout=5)


@case("ingress-fault-broken", "the pod resets the connection in the middle of its answer", ingress=ONE_WAY)
def _(lab):
    healthy(lab)
    suffer(lab, expect("failed", "reply", "workload", "kappa3"), host="break.example.test")


def held_up(lab, node, kind):
    """Requests come while this proxy does not get to run."""
    healthy(lab)
    slow = {"proxy": kind, "node": node.name, "way": "request"}
    with lab.standstill(node, kind):
        lab.start("client", *[http(front("web"), visit(slow=slow)) for _ in range(2)], together=2)
        lab.settle(0.5)


@case("ingress-slow-haproxy", "HAProxy stands still for some hundred ms when requests come; pod and Traefik are quick",
      ingress=ONE_WAY)
def _(lab):
    held_up(lab, KAPPA1, "haproxy")


@case("ingress-slow-traefik", "Traefik stands still for some hundred ms when requests come", ingress=ONE_WAY)
def _(lab):
    held_up(lab, KAPPA2, "traefik")
