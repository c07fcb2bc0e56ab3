"""The tables that kube-proxy (iptables mode) and Calico's Felix load on a node, as iptables-restore text.

Chain names, comments and the order of the rules are kube-proxy's own, since programs that explain a
node read them. Of Calico's chains only those are here that a packet's fate can depend on.
"""

import base64
import hashlib
from dataclasses import dataclass

from topology import POOL, POOL6, PODS, SERVICES


@dataclass(frozen=True)
class Options:
    """How this cluster's kube-proxy is configured.

    masquerade_external: --cluster-cidr is set, so calls from outside the pool are masqueraded.
    masquerade_all: --masquerade-all is set, so every call of a Service is.
    drop_invalid: what conntrack calls INVALID is dropped in FORWARD. kube-proxy does so unless
    conntrack is told to be liberal; with it, no packet survives a detour (see the cases).
    """
    masquerade_external: bool = True
    masquerade_all: bool = False
    drop_invalid: bool = True


def chain_hash(*parts):
    """kube-proxy's short hash: the first 16 letters of the base32 of a SHA-256."""
    return base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:16]


def service_chain(service, kind="SVC"):
    return f"KUBE-{kind}-" + chain_hash(service.full_name, service.protocol)


def endpoint_chain(service, endpoint):
    return "KUBE-SEP-" + chain_hash(service.full_name, service.protocol, endpoint)


def comment(words):
    return f'-m comment --comment "{words}"'


def felix(words):
    """Felix marks its rules with a hash of the rule; any stable one will do."""
    return comment("cali:" + base64.urlsafe_b64encode(hashlib.sha224(words.encode()).digest()).decode()[:16])


def endpoints(service, six):
    for pod, port in service.endpoints:
        address = pod.address6 if six else pod.address
        yield address, f"[{address}]:{port}" if six else f"{address}:{port}"


def table(name, builtin, rules):
    """A table's text. Chains are declared as they are first named after -A."""
    own = dict.fromkeys(rule.split()[1] for rule in rules)
    own.update(dict.fromkeys(target(rule) for rule in rules if target(rule)))
    lines = [f"*{name}"]
    lines += [f":{chain} ACCEPT [0:0]" for chain in builtin]
    lines += [f":{chain} - [0:0]" for chain in own if chain not in builtin]
    return "\n".join(lines + list(rules) + ["COMMIT", ""])


def target(rule):
    """The chain that a rule jumps to, if it is one of ours."""
    words = rule.split()
    for flag in ("-j", "-g"):
        if flag in words:
            chain = words[words.index(flag) + 1]
            return chain if chain.startswith(("KUBE-", "cali-")) else None
    return None


def service_rules(service, six, options):
    name, protocol = service.full_name, service.protocol
    address = service.address6 if six else service.address
    chain = service_chain(service)
    match = f"-m {protocol} -p {protocol} -d {address} --dport {service.port}"
    said = comment(f"{name} cluster IP")
    yield f"-A KUBE-SERVICES {said} {match} -j {chain}"
    if service.node_port:
        external = service_chain(service, "EXT")
        yield f"-A KUBE-NODEPORTS {comment(name)} -m {protocol} -p {protocol} --dport {service.node_port} -j {external}"
        yield f"-A {external} {comment(f'masquerade traffic for {name} external destinations')} -j KUBE-MARK-MASQ"
        yield f"-A {external} -j {chain}"
    if options.masquerade_all:
        yield f"-A {chain} {said} {match} -j KUBE-MARK-MASQ"
    elif options.masquerade_external:
        yield f"-A {chain} {said} {match} ! -s {POOL6 if six else POOL} -j KUBE-MARK-MASQ"
    total = len(service.endpoints)
    for index, (ip, endpoint) in enumerate(endpoints(service, six)):
        left = total - index
        chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        yield f"-A {chain} {comment(f'{name} -> {endpoint}')} {chance}-j {endpoint_chain(service, endpoint)}"
    for ip, endpoint in endpoints(service, six):
        sep = endpoint_chain(service, endpoint)
        # A pod that gets itself through its Service must see another source, or it would answer itself.
        yield f"-A {sep} {comment(name)} -s {ip} -j KUBE-MARK-MASQ"
        yield f"-A {sep} {comment(name)} -m {protocol} -p {protocol} -j DNAT --to-destination {endpoint}"


def nat(six, options):
    pool = POOL6 if six else POOL
    rules = [
        f"-A PREROUTING {comment('kubernetes service portals')} -j KUBE-SERVICES",
        f"-A OUTPUT {comment('kubernetes service portals')} -j KUBE-SERVICES",
        f"-A POSTROUTING {felix('POSTROUTING')} -j cali-POSTROUTING",
        f"-A POSTROUTING {comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING",
        f"-A cali-POSTROUTING {felix('nat')} -j cali-nat-outgoing",
        # natOutgoing of the IP pool: what leaves the pool leaves with the node's address.
        f"-A cali-nat-outgoing {felix('masq')} -s {pool} ! -d {pool} -j MASQUERADE --random-fully",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        f"-A KUBE-POSTROUTING {comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully",
        "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
    ]
    for service in SERVICES:
        if service.endpoints:
            rules += service_rules(service, six, options)
    last = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    rules.append(f"-A KUBE-SERVICES {comment(last)} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
    return table("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), rules)


def workload_rules(pod):
    """Felix's chains of one pod: from it (fw) and to it (tw). Policies come in before the last rule."""
    for way, flag in (("from", "-i"), ("to", "-o")):
        chain = f"cali-{way[0]}w-{pod.interface}"
        yield f"-A cali-{way}-wl-dispatch {felix(chain)} {flag} {pod.interface} -g {chain}"
        yield f"-A {chain} {felix(chain + 'e')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        yield f"-A {chain} {felix(chain + 'i')} -m conntrack --ctstate INVALID -j DROP"
        yield f"-A {chain} {felix(chain + 'm')} -j MARK --or-mark 0x10000"


def filter_table(node, six, options):
    reject = "icmp6-port-unreachable" if six else "icmp-port-unreachable"
    portals = comment("kubernetes service portals")
    rules = [
        f"-A FORWARD {felix('FORWARD')} -j cali-FORWARD",
        f"-A FORWARD {comment('kubernetes forwarding rules')} -j KUBE-FORWARD",
        f"-A FORWARD -m conntrack --ctstate NEW {portals} -j KUBE-SERVICES",
        f"-A OUTPUT -m conntrack --ctstate NEW {portals} -j KUBE-SERVICES",
        f"-A FORWARD {felix('accept')} -m mark --mark 0x10000/0x10000 -j ACCEPT",
        f"-A cali-FORWARD {felix('fromwl')} -i cali+ -j cali-from-wl-dispatch",
        f"-A cali-FORWARD {felix('towl')} -o cali+ -j cali-to-wl-dispatch",
    ]
    for pod in PODS:
        if pod.node == node:
            rules += workload_rules(pod)
    if options.drop_invalid:
        rules.append("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
    rules += [
        f"-A KUBE-FORWARD {comment('kubernetes forwarding rules')} -m mark --mark 0x4000/0x4000 -j ACCEPT",
        f"-A KUBE-FORWARD {comment('kubernetes forwarding conntrack rule')}"
        " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]
    for service in SERVICES:
        if not service.endpoints:
            address = service.address6 if six else service.address
            rules.append(f"-A KUBE-SERVICES {comment(f'{service.full_name} has no endpoints')} -m {service.protocol}"
                         f" -p {service.protocol} -d {address} --dport {service.port} -j REJECT --reject-with {reject}")
    return table("filter", ("INPUT", "FORWARD", "OUTPUT"), rules)


def node_rules(node, six, options):
    """Everything that iptables-restore (ip6tables-restore) gets on a node."""
    return nat(six, options) + filter_table(node, six, options)
