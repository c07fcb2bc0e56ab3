"""The way in: HAProxy on the VIP, Traefik on the nodes' ports, and nginx as a third kind of proxy."""

import json
import subprocess
import sys
from dataclasses import dataclass

from servers import traefik_program
from system import need, wait_until
from topology import BREAK_PORT, CLOSED_PORT, H2_PORT, NODES, POD, VIP, VIP_NODE, WEB_PORT

TRAEFIK_PORTS = {"web": 80, "stream": 8080, "secure": 443}
NGINX_PORT = 8088
API_PORT = 9099     # of Traefik, on loopback only


@dataclass(frozen=True)
class Front:
    """One port of HAProxy's, and what stands behind it. `server` is added to each server's line."""
    name: str
    port: int
    mode: str
    entry: str = "web"          # which of the Traefiks' ports
    bind: str = ""
    server: str = ""
    rules: tuple = ()
    backend: tuple = ()
    dead: str = ""              # a server that is not there, named before the Traefiks ("first") or instead ("only")


FRONTS = (
    Front("web", 80, "http", rules=("option forwardfor",)),
    Front("stream", 8080, "tcp", "stream"),
    # The PROXY protocol tells Traefik who the client is: as bytes (v2) or as a line of text (v1).
    Front("stream_v2", 8081, "tcp", "stream", server="send-proxy-v2"),
    Front("stream_v1", 8082, "tcp", "stream", server="send-proxy"),
    Front("tls", 443, "tcp", "secure"),
    Front("tls_v2", 8443, "tcp", "secure", server="send-proxy-v2"),
    Front("plain", 8083, "http"),       # adds no header at all
    # The format of HAProxy's manual: it names the client's address and port.
    Front("tagged", 8084, "http", rules=(r"unique-id-format %{+X}o\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid", "unique-id-header X-Request-ID")),
    Front("again", 8085, "http", dead="first", backend=("balance first", "retries 2", "option redispatch 1")),
    Front("gone", 8086, "http", dead="only", backend=("retries 1",)),
    Front("h2", 8087, "http", bind="proto h2", rules=("option forwardfor",)),
    Front("h2_through", 8089, "http", bind="proto h2", server="proto h2", rules=("option forwardfor",)),
    Front("http_v2", 8091, "http", "stream", server="send-proxy-v2"),
)
PORT = {front.name: front.port for front in FRONTS}

# One thread: then the order of the log's lines is the order of the requests on a server's connection.
HAPROXY = """
global
  log stdout format raw local0
  maxconn 4000
  nbthread 1
defaults
  log global
  timeout connect 3s
  timeout client 30s
  timeout server 30s
  timeout http-request 2s
  timeout http-keep-alive 30s
  default-server inter 1h
"""
ENDS = '"client":"%ci:%cp","target":"%fi:%fp","from":"%bi:%bp","to":"%si:%sp"'
HTTP_LOG = f'\'{{{ENDS},"kind":"KIND","status":%ST,"request":%{{+Q}}r,"lab":"%[capture.req.hdr(0)]"}}\''
TCP_LOG = f"'{{{ENDS},\"kind\":\"tcp\"}}'"


def haproxy_config(traefiks):
    return HAPROXY + "".join(front_config(front, traefiks) for front in FRONTS)


def front_config(front, traefiks):
    is_http = front.mode == "http"
    log = HTTP_LOG.replace("KIND", "h2" if "h2" in front.server else "http") if is_http else TCP_LOG
    lines = [f"frontend {front.name}", f"mode {front.mode}", f"bind {VIP}:{front.port} {front.bind}", *front.rules]
    if is_http:
        lines += ["declare capture request len 32", "http-request capture req.hdr(x-lab) id 0",
                  "http-request deny if { path_beg /denied }"]
    lines += [f"log-format {log}", f"default_backend to_{front.name}"]
    lines += [f"backend to_{front.name}", f"mode {front.mode}", *(front.backend or ("balance roundrobin",))]
    lines += ["http-reuse always"] if is_http else []
    if front.dead:
        lines.append(f"server nobody {traefiks[0].address}:{CLOSED_PORT} {front.server}")
    if front.dead != "only":
        lines += [f"server {node.name} {node.address}:{TRAEFIK_PORTS[front.entry]} {front.server}" for node in traefiks]
    return "\n" + "\n".join(lines) + "\n"


def traefik_config(node, directory):
    trusted = {"trustedIPs": [n.address for n in NODES] + [VIP]}
    at = {name: {"address": f"{node.address}:{port}"} for name, port in TRAEFIK_PORTS.items()}
    at["web"]["forwardedHeaders"] = trusted
    # These ports take connections that speak the PROXY protocol, and others.
    at["stream"]["proxyProtocol"] = trusted
    at["secure"].update(proxyProtocol=trusted, http={"tls": {}})
    at["traefik"] = {"address": f"127.0.0.1:{API_PORT}"}
    return {"global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": at, "api": {"insecure": True}, "log": {"level": "INFO"},
            "accessLog": {"filePath": f"{directory}/access.log", "format": "json",
                          "fields": {"headers": {"names": {"X-Lab": "keep"}}}},
            "providers": {"file": {"filename": f"{directory}/routes.yml"}}}


def traefik_routes(node, traefiks, pods, certificate):
    """What each host name of a request leads to."""
    def urls(*addresses, scheme="http"):
        return {"loadBalancer": {"servers": [{"url": f"{scheme}://{address}"} for address in addresses]}}

    web = [f"{pod.address}:{WEB_PORT}" for pod in pods]
    dead = f"{POD['stock-2'].address}:{CLOSED_PORT}"
    last = traefiks[-1]
    services = {
        "stock": urls(*web), "dead": urls(dead), "none": urls(), "again": urls(dead, *web),
        "twice": urls(*web) if node == last else urls(f"{last.address}:{TRAEFIK_PORTS['web']}"),
        "break": urls(*[f"{pod.address}:{BREAK_PORT}" for pod in pods]),
        "h2": urls(*[f"{pod.address}:{H2_PORT}" for pod in pods], scheme="h2c"),
    }
    routers = {name: {"rule": f"Host(`{name}.example.test`)", "service": name} for name in services}
    routers["again"]["middlewares"] = ["again"]
    routers["moved"] = {"rule": "Host(`moved.example.test`)", "service": "stock", "middlewares": ["moved"]}
    routers["strip"] = {"rule": "Host(`strip.example.test`)", "service": "stock", "middlewares": ["strip"]}
    return {"http": {"routers": routers, "services": services,
                     "middlewares": {"again": {"retry": {"attempts": 3, "initialInterval": "20ms"}},
                                     "moved": {"redirectScheme": {"scheme": "https"}},
                                     "strip": {"stripPrefix": {"prefixes": ["/shop"]}}}},
            "tls": {"stores": {"default": {"defaultCertificate": {"certFile": certificate, "keyFile": certificate}}}}}


NGINX_LOG = """{"client":"$remote_addr:$remote_port","target":"$server_addr:$server_port",'
    '"uri":"$request_uri","lab":"$http_x_lab","to":"$upstream_addr","status":$status}"""

NGINX = """  upstream pods {{ {servers} keepalive 16; }}
  server {{
    listen {address}:80; listen {address}:{port};
    location / {{
      proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;
    }}
  }}"""


class Proxies:
    """The proxies that run for one case."""

    def __init__(self, servers):
        self.servers, self.cluster = servers, servers.cluster
        self.running = {}       # (node, kind) → process

    def start(self, traefiks, pods):
        """HAProxy in front of the Traefiks of some nodes, which in turn send to these pods.

        Started anew for each case: the choice of node and pod is what a case is about.
        """
        need("haproxy")
        program = traefik_program()
        self.stop()
        for node in traefiks:
            self._traefik(program, node, traefiks, pods)
        self._haproxy(traefiks)
        for node, port in [(node.name, port) for node in traefiks for port in TRAEFIK_PORTS.values()] + [
                (VIP_NODE, FRONTS[-1].port)]:
            wait_until(lambda: self.cluster.listening(node, port), f"port {port} of {node}", seconds=20)
        for node in traefiks:
            wait_until(lambda: self._has_routes(node.name), f"the routes of Traefik on {node.name}", seconds=20)

    def _has_routes(self, node):
        """Traefik listens before it has read its routes, and answers 404 until then."""
        ask = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{API_PORT}/api/http/routers/strip@file')"
        return subprocess.run(self.cluster.inside(node, sys.executable, "-c", ask), capture_output=True).returncode == 0

    def _haproxy(self, traefiks):
        where = self.servers.dir("haproxy")
        (where / "haproxy.cfg").write_text(haproxy_config(traefiks))
        with open(where / "access.log", "wb") as log:
            self.running[VIP_NODE, "haproxy"] = self.cluster.spawn(
                VIP_NODE, "haproxy", "-db", "-f", str(where / "haproxy.cfg"), log="haproxy/errors.log", stdout=log)

    def _traefik(self, program, node, traefiks, pods):
        where = self.servers.dir(f"traefik-{node.name}")
        (where / "access.log").write_text("")
        routes = traefik_routes(node, traefiks, pods, str(self.cluster.workdir / "tls.pem"))
        # JSON is YAML.
        (where / "traefik.yml").write_text(json.dumps(traefik_config(node, where)))
        (where / "routes.yml").write_text(json.dumps(routes))
        self.running[node.name, "traefik"] = self.cluster.spawn(
            node.name, program, f"--configFile={where}/traefik.yml", log=f"traefik-{node.name}/traefik.out")

    def nginx(self, node, pods):
        """A proxy of another kind on a node."""
        directory = f"nginx-{node.name}"
        (self.servers.dir(directory) / "access.log").write_text("")
        servers = " ".join(f"server {pod.address}:{WEB_PORT};" for pod in pods)
        http = NGINX.format(servers=servers, address=node.address, port=NGINX_PORT)
        self.running[node.name, "nginx"] = self.servers.run_nginx(node.name, directory, NGINX_LOG, http)
        wait_until(lambda: self.cluster.listening(node.name, NGINX_PORT), f"nginx on {node.name}")

    def signal(self, node, kind, sig):
        self.cluster.signal([self.running[node, kind].pid], sig)

    def stop(self):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(timeout=20)
        self.running.clear()
        for log in self.cluster.workdir.glob("nginx-*/access.log"):
            log.unlink()
