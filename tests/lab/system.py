"""Running programs, waiting for things, and errors that fit on one line."""

import shutil
import subprocess
import time

# Which Debian package brings a tool; the name that "apt-get install" wants.
PACKAGES = {
    "ip": "iproute2", "ss": "iproute2", "sysctl": "procps", "ethtool": "ethtool",
    "iptables-nft-restore": "iptables", "iptables-legacy-restore": "iptables",
    "conntrack": "conntrack", "dumpcap": "wireshark-common", "editcap": "wireshark-common",
    "mergecap": "wireshark-common", "tcpdump": "tcpdump",
    "openssl": "openssl", "nginx": "nginx-light", "dnsmasq": "dnsmasq-base", "haproxy": "haproxy",
}


class LabError(Exception):
    """What the user did or lacks, in one line."""


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise LabError(f"{tool} is missing; install it with: apt-get install {PACKAGES[tool]}")


def run(*args, text=None, check=True):
    """Run a program to its end and give back what it printed."""
    done = subprocess.run(args, input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{' '.join(args)}: {said[0] if said else f'exit code {done.returncode}'}")
    return done.stdout


def wait_until(true_now, what, seconds=10.0, every=0.05):
    """Poll, since nothing that we wait for here can call us back."""
    deadline = time.monotonic() + seconds
    while not true_now():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every)
