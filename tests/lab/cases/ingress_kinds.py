"""What is said through the proxies, and how: protocols, ids, other proxies and other ways between them."""

from cases.ingress import APART, front, via, visit
from cases.ingress_load import alike
from cases.words import again, case, expect, http, post
from proxies import NGINX_PORT
from topology import KAPPA1, KAPPA2, KAPPA3

ONE_WAY = via([KAPPA2], "stock-3")
TLS_NAME = "stock.example.test"

again("ingress-same-node-pod-elsewhere-lo", "ingress-same-node-pod-elsewhere", "lo was captured", loopback=True)
again("ingress-same-node-pod-there-lo", "ingress-same-node-pod-there", "lo was captured", loopback=True)


@case("ingress-tls", "TLS to Traefik, straight and through HAProxy as a plain TCP proxy: what is asked is seen at the "
      "pod only", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(to, visit(), tls=TLS_NAME)
                        for to in ((KAPPA2.address, 443), front("tls"), front("tls_v2")) for _ in range(2)])


@case("ingress-tls-together", "TLS to Traefik, 3 at once", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("tls"), visit(), tls=TLS_NAME) for _ in range(12)], together=3)


@case("ingress-tls-keep-alive", "several requests on each TLS connection: what is asked is seen at the pod only",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("tls"), *[visit(pause_before=0.05) for _ in range(3)], tls=TLS_NAME)
                        for _ in range(3)])


@case("ingress-tls-same-node", "TLS through HAProxy to the Traefik on its own node, lo captured", loopback=True,
      ingress=via([KAPPA1], "stock-3"))
def _(lab):
    lab.run("client", *[http(front("tls"), visit(), tls=TLS_NAME) for _ in range(4)], together=2)


@case("ingress-proxy-protocol", "the PROXY protocol in its first and second version; the same requests without it",
      ingress=ONE_WAY)
def _(lab):
    ports = ("stream", "stream_v1", "stream_v2", "http_v2")
    lab.run("client", *[http(front(port), alike(), alike()) for port in ports * 2], together=4)


@case("ingress-tagged", "HAProxy gives each request an X-Request-ID, which names its client; nothing else tells them apart", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("tagged"), alike(), alike()) for _ in range(8)], together=8)


@case("ingress-traced", "the client sends a traceparent with each request; nothing else tells them apart",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("plain"), alike(traced=True), alike(traced=True)) for _ in range(8)], together=8)


@case("ingress-identical", "identical requests, 4 at once, on kept-alive client connections and a shared pool",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("plain"), *[alike() for _ in range(3)]) for _ in range(8)], together=4)


@case("ingress-h2", "HTTP/2 in clear, straight to Traefik and through HAProxy; HAProxy to Traefik in HTTP/1.1 and 2",
      ingress=ONE_WAY)
def _(lab):
    for to in ((KAPPA2.address, 80), front("h2"), front("h2_through")):
        lab.run("client", http(to, *[visit() for _ in range(3)], h2=True),
                http(to, *[visit() for _ in range(4)], h2=True, multiplexed=True))


@case("ingress-h2-pod", "HTTP/2 all the way to the pod, several streams at once", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http((KAPPA2.address, 80), *[visit(host="h2.example.test") for _ in range(4)],
                             h2=True, multiplexed=True) for _ in range(2)], together=2)


@case("ingress-h2-tls", "HTTP/2 inside TLS to Traefik", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http((KAPPA2.address, 443), visit(), tls=TLS_NAME, h2=True) for _ in range(3)])


@case("ingress-grpc", "gRPC's unary calls through HAProxy and Traefik: a good one and one with status 5 (not found)",
      ingress=ONE_WAY)
def _(lab):
    def call(method):
        return visit(method="POST", under=f"/stock.Stock/{method}", alike=True, grpc=True, host="h2.example.test")

    for to in ((KAPPA2.address, 80), front("h2_through")):
        lab.run("client", http(to, call("Get"), call("Get"), call("Fail"), h2=True))


@case("ingress-websocket", "an upgrade to WebSocket through both proxies, with some messages", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(to, visit(under="/socket", frames=3)) for to in (front("web"), front("stream"))])


@case("ingress-unusual", "pipelined requests, HTTP/1.0, 100-continue, heads in pieces, chunked and large answers",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", http(front("web"), *[visit() for _ in range(4)], pipelined=True),
            http(front("web"), visit(version="1.0")),
            http(front("web"), post(9000, host="stock.example.test", patient=True), visit()),
            http(front("web"), visit(pieces=3), visit(under="/chunked"), visit(under="/medium")))


@case("ingress-two-traefiks", "the first Traefik sends on to another node's, that one to the pod",
      ingress=via([KAPPA2, KAPPA3], "stock-1"))
def _(lab):
    lab.run("client", *[http((KAPPA2.address, 80), visit(host="twice.example.test")) for _ in range(4)], together=2)


@case("ingress-three-proxies", "HAProxy, a Traefik and another node's Traefik, then the pod",
      ingress=via([KAPPA2, KAPPA3], "stock-1"))
def _(lab):
    lab.run("client", *[http(front("web"), visit(host="twice.example.test")) for _ in range(6)], together=3)


@case("ingress-nginx", "nginx as another kind of proxy, on a node's port 80 and on 8088", ingress=ONE_WAY)
def _(lab):
    lab.nginx(KAPPA3, "stock-2")
    lab.run("client", *[http((KAPPA3.address, port), visit(), visit()) for port in (80, NGINX_PORT) for _ in range(2)],
            together=2)


@case("ingress-rewritten", "Traefik takes the first part off each path, so the request lines differ",
      ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("web"), visit(under="/shop/items", host="strip.example.test")) for _ in range(6)],
            together=3)


@case("ingress-retry", "Traefik's first server refuses, the second serves: both tries are seen", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("web"), visit(host="again.example.test"), delay=APART) for _ in range(4)])


@case("ingress-retry-haproxy", "HAProxy's first server refuses, the second serves", ingress=ONE_WAY)
def _(lab):
    lab.run("client", *[http(front("again"), visit(), delay=APART) for _ in range(3)])


@case("ingress-redirect", "Traefik answers by itself: it sends clients to https", ingress=ONE_WAY)
def _(lab):
    lab.run("client", http(front("web"), visit()), *[http(front("web"), visit(host="moved.example.test"))
                                                     for _ in range(2)])


@case("ingress-denied", "HAProxy answers by itself: 403 for a path it does not let through", ingress=ONE_WAY)
def _(lab):
    denied = visit(under="/denied", expect=expect("failed", "request", "proxy", "kappa1"))
    lab.run("client", http(front("web"), visit()), http(front("web"), denied))


@case("ingress-mid-stream", "the connections are older than the recording", ingress=ONE_WAY, starts_capture=True)
def _(lab):
    hold = lab.cluster.workdir / "go-on"
    hold.unlink(missing_ok=True)
    lab.start("client", *[http(front("web"), visit(), visit(), visit(), hold=str(hold)) for _ in range(3)], together=3)
    lab.settle(0.7)
    lab.start_capture()
    hold.touch()
