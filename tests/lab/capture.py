"""Captures on every node with the common tools: dumpcap (Ethernet, pcapng), tcpdump (any, SLL2), conntrack."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from overlay import DEVICE
from system import LabError, need, run, wait_until
from topology import NODES, VIP

NETLINK_NETFILTER = "12"
NETLINK_RECORDER = str(Path(__file__).resolve().parent / "netlink_recorder.py")
BUFFER_MB = "32"
# dumpcap has a thread for each interface and a queue behind them, which by default drops beyond 1000 packets.
QUEUE = ("-N", "200000", "-C", "134217728")


class Capture:
    def __init__(self, cluster, directory, case):
        self.cluster, self.directory = cluster, Path(directory)
        self.netlink, self.loopback = case.netlink, case.loopback
        self.snaplen = ["-s", str(case.snaplen)] if case.snaplen else []
        self.running = []           # (process, its log)
        self.started_ns = self.ended_ns = None

    # -- start -------------------------------------------------------------------------------

    def start(self):
        """Returns once every program is really capturing."""
        need("dumpcap", "tcpdump", "conntrack")
        self.directory.mkdir(parents=True, exist_ok=True)
        for node in NODES:
            self._dumpcap(node)
            self._tcpdump(node)
            self._conntrack(node)
            if self.netlink:
                self._spawn(node, sys.executable, [NETLINK_RECORDER, str(self._netlink_file(node))])
        for process, log, ready in self.running:
            wait_until(lambda: self._has_begun(process, log, ready), f"{log.name} to begin")
        # The tools say that they began a little before the last socket has its filter in place.
        time.sleep(0.2)
        self.started_ns = time.time_ns()

    def _has_begun(self, process, log, ready):
        if process.poll() is not None:
            raise LabError(f"{log.name} ended early: {log.read_text().strip().splitlines()[-1]}")
        return ready()

    def _spawn(self, node, tool, args, says=None, **more):
        log = self.cluster.workdir / f"{node.name}.{Path(tool).name.replace('.', '')}.log"
        log.unlink(missing_ok=True)
        process = self.cluster.spawn(node.name, tool, *args, log=log.name, **more)
        ready = (lambda: says in log.read_text()) if says else (lambda: listens_to_conntrack(process.pid))
        self.running.append((process, log, ready))

    def _dumpcap(self, node):
        names = [name for name in self.cluster.interfaces(node).values() if name.startswith(("bond1", "cali", *DEVICE.values()))]
        args = [word for name in names for word in ("-i", name)]
        if self.loopback:
            # Of what stays inside a node, only the proxies' conversations are of interest.
            args += ["-i", "lo", "-f", f"host {node.address} or host {VIP}"]
        self._spawn(node, "dumpcap", ["-q", "-B", BUFFER_MB, *QUEUE, *self.snaplen, *args,
                                      "-w", str(self.directory / f"{node.name}.pcapng")], "File: ")

    def _tcpdump(self, node):
        # It would give up root's rights and then could not write here.
        self._spawn(node, "tcpdump", ["-i", "any", "-y", "LINUX_SLL2", "-n", "-Z", "root",
                                      "-B", str(int(BUFFER_MB) * 1024), *self.snaplen,
                                      "-w", str(self.directory / f"{node.name}.any.pcap")], "listening on")

    def _conntrack(self, node):
        # What began before is in no event, so the file starts with a dump.
        self.events_file(node).write_text(self.cluster.exec(node.name, "conntrack", "-L", "-o", "extended"))
        with open(self.events_file(node), "ab") as out:
            self._spawn(node, "conntrack", ["-E", "-e", "NEW", "-o", "timestamp,extended", "-b", "8388608"],
                        stdout=out)

    def events_file(self, node):
        return self.cluster.workdir / f"{node.name}.conntrack"

    # -- stop --------------------------------------------------------------------------------

    def stop(self):
        """Wait until nothing moves any more, then end the tools so that they write all they have."""
        self._await_quiet()
        self.ended_ns = time.time_ns()
        time.sleep(0.5)             # the kernel hands over a half-filled buffer only after a while
        self.abandon()

    def _await_quiet(self, still=0.6, at_most=4.0):
        deadline, before = time.monotonic() + at_most, None
        while (now := self.cluster.packets()) != before and time.monotonic() < deadline:
            before = now
            time.sleep(still)

    def abandon(self):
        for process, _, _ in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process, _, _ in self.running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()

    def _netlink_file(self, node):
        return self.cluster.workdir / f"{node.name}.netlink.pcapng"

    def add_netlink(self):
        """Put conntrack's messages beside the packets: one file for a node, as another interface."""
        need("mergecap")
        for node in NODES:
            packets = self.directory / f"{node.name}.pcapng"
            moved = packets.with_name("moved")
            run("mergecap", "-w", str(moved), str(packets), str(self._netlink_file(node)))
            moved.replace(packets)

    def shift_clocks(self, clocks):
        """All namespaces share the machine's clock; nodes do not, so move some files' times."""
        for node, seconds in clocks:
            need("editcap")
            for file in self.directory.glob(f"{node}.*pcap*"):
                moved = file.with_name("moved")
                run("editcap", "-F", "pcapng" if file.suffix == ".pcapng" else "pcap", "-t", str(seconds),
                    str(file), str(moved))
                moved.replace(file)

    def drops(self):
        """Packets that the capture itself lost, by node and tool; all zero in a good recording."""
        lost = {}
        for _, log, _ in self.running:
            node, tool, _ = log.name.split(".")
            said = log.read_text()
            if tool == "dumpcap":
                found = re.findall(r"on interface '(\S+)': \d+/(\d+)", said)
                lost.setdefault(node, {}).update({name: int(count) for name, count in found})
            elif tool == "tcpdump":
                found = re.search(r"(\d+) packets? dropped by kernel", said)
                lost.setdefault(node, {})["any"] = int(found[1]) if found else None
        return lost


def listens_to_conntrack(pid):
    """Whether this process has a netfilter netlink socket that is subscribed to a group."""
    try:
        lines = Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(f[1] == NETLINK_NETFILTER and int(f[3], 16) for f in map(str.split, lines))
