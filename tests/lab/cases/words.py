"""The words that cases are written in: the case itself, the jobs of clients, what is expected."""

from dataclasses import dataclass, replace
from typing import Callable

from rules import Options
from topology import POD, SERVICE, WEB_PORT


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
    netlink: bool = False               # conntrack's messages are recorded beside the packets
    loopback: bool = False              # lo is captured too, as far as it carries what nodes' own addresses say
    overlay: str = ""                   # what carries pods' packets between the nodes: "vxlan" or "ipip"
    clocks: tuple = ()                  # (node, seconds): how far this node's clock is ahead


CASES = {}


def case(name, purpose, **more):
    def add(play):
        CASES[name] = Case(name, purpose, play, **more)
        return play
    return add


# -- jobs of clients ---------------------------------------------------------------------------

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


def again(name, of, why, **more):
    """A case that plays another one, kept in another form."""
    CASES[name] = replace(CASES[of], name=name, purpose=f"{CASES[of].purpose}; {why}", **more)


def expect(outcome, direction, kind, node=None):
    return {"outcome": outcome, "direction": direction, "where": {"kind": kind, "node": node}}
