"""What the proxies' logs tell of an exchange: who took it, from whom, and to whom it went on."""

import json
from collections import defaultdict

from topology import NODES, VIP_NODE

SAME = "same"       # what is no more than bytes to HAProxy has the same order on both sides of it


def json_lines(path):
    if not path.exists():
        return
    for line in path.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue            # notices of the program between its log lines


def ident(line, uri):
    """The id of a request: of the header that only the logs look at, else the last part of its path."""
    return known(line.get("lab")) or uri.split("?")[0].rsplit("/", 1)[-1]


def known(value):
    """What a log has, or None for HAProxy's ways to say that there was nothing."""
    return None if value in (None, "", "-", "-:-", ":-") else value


class Chain:
    """The proxies' log lines by exchange. Each line is one proxy that took one request.

    `client` is whom the proxy saw (with the PROXY protocol, the one that was announced), `from` and `to` are the
    ends of the connection that it sent the request on, as far as its log has them.
    """

    def __init__(self, workdir):
        self.lines = defaultdict(list)
        self.conflicts = []
        uses = defaultdict(int)
        # HAProxy has one thread, so its lines are in the order of the requests on a server's connection.
        for line in json_lines(workdir / "haproxy" / "access.log"):
            words = line.get("request", "").split(" ")
            key = ident(line, words[1]) if len(words) > 1 else line["client"]
            sent = known(line["from"])
            uses[sent] += bool(sent)
            nth = {"http": uses[sent], "tcp": SAME}.get(line["kind"])   # streams of HTTP/2 end in any order
            self.lines[key].append({
                "proxy": "haproxy", "node": VIP_NODE, "client": line["client"], "target": line["target"],
                "from": sent, "to": known(line["to"]), "nth": nth if sent else None,
                "status": line.get("status")})
        for node in NODES:
            self._traefik(node, workdir / f"traefik-{node.name}" / "access.log")
            for line in json_lines(workdir / f"nginx-{node.name}" / "access.log"):
                self.lines[ident(line, line["uri"])].append({
                    "proxy": "nginx", "node": node.name, "client": line["client"], "target": line["target"],
                    "to": line["to"].split(", ")[-1], "status": line["status"]})

    def _traefik(self, node, log):
        # One request at a time goes over an HTTP/1 connection, so their starts are in order.
        uses = defaultdict(int)
        for line in sorted(json_lines(log), key=lambda line: line.get("StartUTC", "")):
            if "ClientAddr" not in line:
                continue
            client = line["ClientAddr"]
            uses[client] += 1
            key = ident({"lab": line.get("request_X-Lab")}, line.get("RequestPath", ""))
            self.lines[key].append({
                "proxy": "traefik", "node": node.name, "client": client, "nth": uses[client],
                "to": line.get("ServiceAddr"),
                "status": line.get("DownstreamStatus"), "started": line.get("StartUTC")})

    def proxies(self, key, client):
        """The proxies that an exchange went through, in order. HAProxy as a plain TCP proxy knows only the client."""
        found = self.lines.get(client, []) + [line for line in self.lines.get(key, [])]
        first = [line for line in found if line["proxy"] != "traefik"]
        return first + sorted((line for line in found if line["proxy"] == "traefik"), key=lambda line: line["started"])


def legs(done, client, target, proxies, served):
    """The connections that carried an exchange: their ends, and the how-manieth request it was on each.

    Each is told by the one that took it; `None` for what no log has.
    """
    # What is encrypted counts as one exchange, however many requests are inside.
    number = 1 if done.get("tls") else done.get("number_on_connection")
    found = [{"client": client, "target": target, "nth": number}]
    for before, proxy in zip([None, *proxies], proxies):
        if before:
            sent = before.get("from")
            nth = before["nth"] if sent else proxy["nth"]
            found.append({"client": sent or proxy["client"], "target": before["to"],
                          "nth": found[-1]["nth"] if nth == SAME else nth})
    if served:
        ends = [f"{ip}:{port}" for ip, port in (served["client"], served["server"])]
        found.append({"client": ends[0], "target": ends[1], "nth": served.get("nth")})
    return found
