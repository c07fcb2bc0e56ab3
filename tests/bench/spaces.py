"""Namespaces and processes for measurements of live captures: a node, its pods and a machine outside."""

import os
import pty
import re
import struct
import subprocess
import threading
import time

RING = "64000000"       # hopline's own default; tcpdump's -B counts in KiB
TCPDUMP = ["tcpdump", "-i", "any", "-y", "LINUX_SLL2", "-s", "512", "-B", "62500"]


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def within(namespace, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", namespace, *command], **options)


def quiet(*command):
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Spaces:
    """A node with bond1 to a machine outside and cali1 to a pod; removed at the end, whatever happens."""

    def __init__(self):
        self.name = f"hopbench{os.getpid()}"
        self.node, self.out, self.pod = (f"{self.name}-{part}" for part in ("node", "out", "pod"))

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        for name in (self.node, self.out, self.pod):
            ip(f"netns add {name}")
            ip(f"-n {name} link set lo up")
        for ours, peer, theirs in (("bond1", self.out, "192.168.50.1/24"), ("cali1", self.pod, "10.244.1.21/24")):
            ip(f"-n {self.node} link add {ours} type veth peer name eth0 netns {peer}")
            ip(f"-n {self.node} link set {ours} up")
            ip(f"-n {peer} addr add {theirs} dev eth0")
            ip(f"-n {peer} link set eth0 up")
        ip(f"-n {self.node} addr add 192.168.50.11/24 dev bond1")
        ip(f"-n {self.node} addr add 10.244.1.1/24 dev cali1")
        ip(f"-n {self.out} route add 10.244.1.0/24 via 192.168.50.11")
        ip(f"-n {self.pod} route add default via 10.244.1.1")
        within(self.node, "sysctl", "-qw", "net.ipv4.ip_forward=1").wait()

    def __exit__(self, *_):
        for name in (self.node, self.out, self.pod):
            quiet("ip", "netns", "del", name)


class Screen:
    """A program on a terminal, whose output is taken away as it comes."""

    def __init__(self, namespace, *command, rows=50, columns=160):
        ours, theirs = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        import fcntl
        import termios
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": "/nonexistent"}
        self.process = within(namespace, *command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                              start_new_session=True)
        os.close(theirs)
        self.ours, self.written, self.waited = ours, 0, {}
        self.changed = threading.Condition()
        self.tail = b""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                some = os.read(self.ours, 65536)
            except OSError:
                return
            if not some:
                return
            now = time.monotonic()
            with self.changed:
                self.written += len(some)
                self.tail = (self.tail + some)[-8192:]
                for text in [text for text in self.waited if self.waited[text] is None and text in self.tail]:
                    self.waited[text] = now
                self.changed.notify_all()

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def expect(self, text):
        with self.changed:
            self.waited[text.encode()] = None

    def seen(self, text, patience=5.0):
        """When `text` was first drawn since it was expected; None if it was not."""
        text, end = text.encode(), time.monotonic() + patience
        with self.changed:
            while self.waited[text] is None and time.monotonic() < end:
                self.changed.wait(end - time.monotonic())
            return self.waited.pop(text)

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        os.close(self.ours)


def cpu_seconds(pid):
    """User and system time of a process and all of its threads so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid):
    """Handles, threads and resident memory (KiB) of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        told = dict(re.findall(r"^(\w+):\s+(\d+)", file.read(), re.MULTILINE))
    return len(os.listdir(f"/proc/{pid}/fd")), int(told["Threads"]), int(told["VmRSS"])


def told_lost(text):
    """What a capture says that it lost: tcpdump at its end, hopline as often as it grows."""
    counts = [int(count) for count in re.findall(r"(\d+) packets dropped by kernel|has lost (\d+) packets", text)
              for count in count if count]
    return counts[-1] if counts else 0
