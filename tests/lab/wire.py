"""What all the client's jobs have in common: addresses, reasons, connections."""

import errno
import select
import socket
import ssl
import time


def endpoint(address):
    return [address[0], address[1]]


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reason(error):
    """A short word for what went wrong: the errno's name, or "timeout"."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(getattr(error, "errno", None) or 0, str(error) or type(error).__name__)


def fresh(job, **more):
    return {"kind": job["kind"], "id": None, "error": None, "started_ns": time.time_ns(), "ended_ns": None,
            "expect": job.get("expect"), "notes": job.get("notes"), **more}


def connect(address, job, bare):
    """Connect without blocking, so that the local port is known even when nothing ever answers."""
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if job.get("local_port"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::" if ":" in address else "0.0.0.0", job["local_port"]))
    timeout = job.get("timeout", 5)
    sock.setblocking(False)
    code = sock.connect_ex((address, job["port"]))
    bare["client"] = endpoint(sock.getsockname())
    if code == errno.EINPROGRESS:
        _, ready, _ = select.select([], [sock], [], timeout)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
        if not ready:
            return sock, "timeout"
    sock.settimeout(timeout)
    return sock, errno.errorcode[code] if code else None


def secure(sock, server_name, protocols=()):
    """TLS with a server whose certificate is nobody's concern here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)   # loads no authorities, which would take longer than the call
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(sock, server_hostname=server_name)
