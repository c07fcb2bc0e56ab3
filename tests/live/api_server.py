"""A Kubernetes API server, as far as names need one: lists and watches over plain HTTP on loopback.

It says its port. Each line of input is a thing to do, answered with `done`: `pods {…}` adds an object of that kind, `forbid pods`
takes the right to it, `down` closes connections without an answer, and `up` ends that. Who asks needs the token `of-a-plugin`.
"""

import http.server
import json
import sys
import threading
import urllib.parse

KINDS = {"pods": "Pod", "services": "Service", "endpointslices": "EndpointSlice", "nodes": "Node"}

changed = threading.Condition()
objects = {kind: [] for kind in KINDS}
events = []
forbidden = set()
is_up = True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        kind = path.rsplit("/", 1)[-1]
        if not is_up:
            return
        if self.headers["Authorization"] != "Bearer of-a-plugin" or kind in forbidden:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403}
            self.answer(403, {**status, "reason": "Forbidden", "message": f"{kind} is forbidden to you"})
        elif "watch=true" in query:
            self.watch(kind, urllib.parse.parse_qs(query)["resourceVersion"][0])
        else:
            with changed:
                items, version = list(objects[kind]), str(len(events))
            listed = {"kind": f"{KINDS[kind]}List", "apiVersion": "v1", "items": items}
            self.answer(200, {**listed, "metadata": {"resourceVersion": version}})

    def watch(self, kind, version):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        at = int(version)
        while is_up:
            with changed:
                changed.wait_for(lambda: len(events) > at or not is_up)
                new, at = events[at:], len(events)
            for of, event in new:
                if of == kind:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()

    def answer(self, code, body):
        body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass


def add(kind, one):
    one["metadata"]["resourceVersion"] = str(len(events) + 1)
    one["apiVersion"] = "discovery.k8s.io/v1" if kind == "endpointslices" else "v1"
    one["kind"] = KINDS[kind]
    objects[kind].append(one)
    events.append((kind, {"type": "ADDED", "object": one}))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    with changed:
        if word in ("up", "down"):
            is_up = word == "up"
        elif word == "forbid":
            forbidden.add(rest)
        else:
            add(word, json.loads(rest))
        changed.notify_all()
    print("done", flush=True)
