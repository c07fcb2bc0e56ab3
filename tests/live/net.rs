//! A node with pods and a machine outside, as network namespaces. Traffic stays inside them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};

/// Address of the machine outside, and its server's port.
pub(crate) const OUTSIDE: &str = "192.168.50.1:8080";
/// On this port a server takes connections and says nothing.
pub(crate) const MUTE: &str = "192.168.50.1:8081";

/// A Service that [`Net::translate`] makes.
pub(crate) const SERVICE: &str = "10.43.7.7:80";

/// Another Service, with [`Net::crowd_server`] behind it.
pub(crate) const CROWD_SERVICE: &str = "10.43.7.8:80";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Answers every request, on one port with nothing at all.
const SERVER: &str = "
import http.server, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '3')
        self.end_headers()
        self.wfile.write(b'yes')
    def log_message(self, *ignored): pass
def resolve():
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(('192.168.50.1', 53))
    while True:
        query, client = resolver.recvfrom(4096)
        answer = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\5\\0\\4' + socket.inet_aton('192.168.50.1')
        resolver.sendto(query[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + query[12:] + answer, client)
threading.Thread(target=resolve, daemon=True).start()
mute = socket.create_server(('192.168.50.1', 8081))
server = http.server.ThreadingHTTPServer(('192.168.50.1', 8080), Handler)
print('ready', flush=True)
server.serve_forever()
";

/// A client that asks for each path it is given, on a connection each.
const CLIENT: &str = "
import http.client, sys
host, port = sys.argv[1].split(':')
for path in sys.argv[2:]:
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request('GET', path)
    print(connection.getresponse().read().decode(), flush=True)
    connection.close()
";

/// Asks for the address of a name.
const LOOKUP: &str = "
import socket, sys
question = b''.join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split('.')) + b'\\0\\0\\1\\0\\1'
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(20)
client.sendto(b'\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0' + question, ('192.168.50.1', 53))
assert len(client.recv(4096)) > len(question)
";

/// Sends UDP datagrams in tagged Ethernet frames, by hand: not every kernel knows VLANs.
const TAGGED: &str = "
import socket, struct, sys
vlan, count = int(sys.argv[1]), int(sys.argv[2])
udp = struct.pack('!HHHH', 40000, 9, 12, 0) + b'ping'
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                 socket.inet_aton('192.168.50.1'), socket.inet_aton('192.168.50.11'))
frame = b'\\xff' * 6 + bytes([2, 0, 0, 0, 0, 9]) + struct.pack('!HHH', 0x8100, vlan, 0x0800) + ip + udp
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
for _ in range(count):
    wire.send(frame)
";
/// A client that asks on one connection for each path it is told, and says when it is answered.
const SLOW_CLIENT: &str = "
import http.client, sys
host, port = sys.argv[1].split(':')
connection = http.client.HTTPConnection(host, int(port), timeout=20)
print('here', flush=True)
for path in sys.stdin:
    connection.request('GET', path.strip())
    print(connection.getresponse().read().decode(), flush=True)
connection.close()
";

/// A client that opens so many connections, each for one question, so many at a time; from few ports, so that each
/// is used again and again. The server closes first.
const CROWD: &str = "
import asyncio, sys
(host, port), count, together = sys.argv[1].split(':'), int(sys.argv[2]), int(sys.argv[3])
answers, numbers = 0, iter(range(count))
async def ask():
    global answers
    for number in numbers:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f'GET /{number} HTTP/1.1\\r\\nHost: crowd\\r\\nConnection: close\\r\\n\\r\\n'.encode())
        answer = await reader.read()
        answers += answer.endswith(b'yes')
        writer.close()
async def main():
    await asyncio.gather(*(ask() for _ in range(together)))
asyncio.run(main())
print(answers)
";

/// Answers each connection's first question, and closes.
const CROWD_SERVER: &str = "
import asyncio
async def answer(reader, writer):
    await reader.readuntil(b'\\r\\n\\r\\n')
    writer.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\nyes')
    writer.close()
async def main():
    server = await asyncio.start_server(answer, '192.168.50.1', 8082, backlog=1024)
    print('ready', flush=True)
    await server.serve_forever()
asyncio.run(main())
";

/// Sends a datagram from each of so many ports to an address that nobody answers for.
const FLOOD: &str = "
import socket, sys
(host, port), flows = sys.argv[1].split(':'), int(sys.argv[2])
for number in range(flows):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(('', 1024 + number))
        one.sendto(b'%d' % number, (host, int(port)))
";

/// Fills the connection tracking table of its namespace with established connections of nobody's (RFC 2544), which
/// no newcomer evicts. The limit is the machine's.
const FILL: &str = "
import socket, struct
def attribute(kind, value):
    return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)
def addresses(kind, src, dst, ports):
    ip = attribute(1, socket.inet_aton(src)) + attribute(2, socket.inet_aton(dst))
    ports = attribute(1, b'\\x06') + attribute(2, ports[0]) + attribute(3, ports[1])
    return attribute(kind | 0x8000, attribute(0x8001, ip) + attribute(0x8002, ports))
def entry(host, port):
    src, dst = f'198.18.0.{host}', '198.18.1.1'
    body = struct.pack('=BBH', 2, 0, 0) + addresses(1, src, dst, (port, b'\\0P')) + addresses(2, dst, src, (b'\\0P', port))
    # Answered, assured and confirmed, for ten minutes, and established.
    body += attribute(3, struct.pack('!I', 0xe)) + attribute(7, struct.pack('!I', 600))
    body += attribute(0x8004, attribute(0x8001, attribute(1, b'\\x03')))
    return struct.pack('=IHHII', 16 + len(body), 0x100, 0x601, 0, 0) + body
def is_full():
    while True:
        try: answer = netlink.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError: return False
        if struct.unpack('=i', answer[16:20]) == (-12,): return True
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
for host in range(1, 255):
    whole = entry(host, b'@@')
    for first in range(1024, 61024, 250):
        ports = (port.to_bytes(2, 'big') for port in range(first, first + 250))
        netlink.send(b''.join(whole.replace(b'@@', port) for port in ports))
        if is_full(): raise SystemExit
raise SystemExit('the table is larger than fifteen million entries')
";

/// A client in a pod that asks when it is told to.
pub(crate) struct SlowClient {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl SlowClient {
    /// Returns when it is answered.
    pub(crate) fn ask(&mut self, path: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input");
        stdin.write_all(format!("{path}\n").as_bytes()).expect("a line");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "yes");
    }

    pub(crate) fn close(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("an end").success());
    }
}

/// Ended when it is dropped.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Removed with everything in it when it is dropped.
pub(crate) struct Net {
    id: String,
    pods: Vec<String>,
    server: Child,
    turn: Option<MutexGuard<'static, ()>>,
}

impl Net {
    pub(crate) fn new() -> Net {
        Net::made(Some(crate::turn()))
    }

    /// One more for the same test.
    pub(crate) fn another(&self) -> Net {
        assert!(self.turn.is_some(), "a net of this test's, and it is its turn");
        Net::made(None)
    }

    fn made(turn: Option<MutexGuard<'static, ()>>) -> Net {
        let id = format!("hopt{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (node, out) = (format!("{id}-node"), format!("{id}-out"));
        for name in [&node, &out] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!("-n {node} link add bond1 type veth peer name eth0 netns {out}"));
        ip(&format!("-n {node} addr add 192.168.50.11/24 dev bond1"));
        ip(&format!("-n {node} link set bond1 up"));
        ip(&format!("-n {out} addr add 192.168.50.1/24 dev eth0"));
        ip(&format!("-n {out} link set eth0 up"));
        ip(&format!("-n {out} route add 10.244.1.0/24 via 192.168.50.11"));
        ip(&format!("-n {node} route add default via 192.168.50.1"));
        run("ip", &["netns", "exec", &node, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        let mut server = within(&out, "python3", &["-c", SERVER]);
        let mut server = server.stdout(Stdio::piped()).spawn().expect("python3 starts");
        wait_for_line(&mut server);
        Net { id, pods: Vec::new(), server, turn }
    }

    /// The node's namespace.
    pub(crate) fn node(&self) -> String {
        format!("{}-node", self.id)
    }

    /// The namespace of the machine outside.
    pub(crate) fn outside(&self) -> String {
        format!("{}-out", self.id)
    }

    /// A command on the node.
    pub(crate) fn on_node(&self, program: &str, arguments: &[&str]) -> Command {
        within(&format!("{}-node", self.id), program, arguments)
    }

    /// A command in a pod.
    pub(crate) fn in_pod(&self, last: u8, program: &str, arguments: &[&str]) -> Command {
        within(&format!("{}-pod{last}", self.id), program, arguments)
    }

    /// Changes the node's routes, in the words of `ip route`.
    pub(crate) fn route(&self, words: &str) {
        ip(&format!("-n {} route {words}", self.node()));
    }

    /// Changes a setting of the node's, as sysctl(8) writes it.
    pub(crate) fn set(&self, setting: &str) {
        run("ip", &["netns", "exec", &self.node(), "sysctl", "-qw", setting]);
    }

    /// Gives birth to the pod 10.244.1.`last`, behind `cali` and its number.
    pub(crate) fn add_pod(&mut self, last: u8) {
        let (node, pod) = (format!("{}-node", self.id), format!("{}-pod{last}", self.id));
        let cali = format!("cali{last}");
        ip(&format!("netns add {pod}"));
        ip(&format!("-n {pod} link set lo up"));
        ip(&format!(
            "-n {node} link add {cali} address ee:ee:ee:ee:ee:ee type veth peer name eth0 netns {pod}"
        ));
        ip(&format!("-n {node} link set {cali} up"));
        let proxy = format!("net.ipv4.conf.{cali}.proxy_arp=1");
        let at_once = format!("net.ipv4.neigh.{cali}.proxy_delay=0");
        run("ip", &["netns", "exec", &node, "sysctl", "-qw", &proxy, &at_once]);
        ip(&format!("-n {pod} addr add 10.244.1.{last}/32 dev eth0"));
        ip(&format!("-n {pod} link set eth0 up"));
        ip(&format!("-n {pod} route add 169.254.1.1 dev eth0"));
        ip(&format!("-n {pod} route add default via 169.254.1.1"));
        ip(&format!("-n {node} route add 10.244.1.{last}/32 dev {cali}"));
        self.pods.push(pod);
    }

    /// Has the node translate as kube-proxy does: Services' addresses to the machine outside, under the node's
    /// address and a random port.
    pub(crate) fn translate(&self) {
        let rules = "table ip nat {
            chain pre { type nat hook prerouting priority dstnat;
                ip daddr 10.43.7.7 tcp dport 80 dnat to 192.168.50.1:8080;
                ip daddr 10.43.7.8 tcp dport 80 dnat to 192.168.50.1:8082; }
            chain post { type nat hook postrouting priority srcnat;
                ct status dnat masquerade random; }
        }";
        self.load_rules(rules);
    }

    /// Loads nftables rules on the node.
    pub(crate) fn load_rules(&self, rules: &str) {
        let mut nft = self.on_node("nft", &["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nftables");
        let mut stdin = nft.stdin.take().expect("standard input");
        stdin.write_all(rules.as_bytes()).expect("rules");
        drop(stdin);
        assert!(nft.wait().expect("an end").success(), "nft takes the rules");
    }

    /// Leaves a rule as kube-proxy's for [`SERVICE`], which names it.
    pub(crate) fn name_service(&self) {
        let table = ["-w", "-t", "nat"];
        let rule = "-A KUBE-SERVICES -d 10.43.7.7/32 -p tcp -m tcp --dport 80 -m comment --comment";
        let rule: Vec<&str> = rule.split(' ').chain(["shop/mix:http cluster IP", "-j", "RETURN"]).collect();
        for arguments in [["-N", "KUBE-SERVICES"].to_vec(), rule] {
            let output =
                self.on_node("iptables", &[&table[..], &arguments].concat()).output().expect("iptables");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// A web server on the node itself, for all of its addresses.
    pub(crate) fn node_server(&self) -> Server {
        let server = "import http.server; server = http.server.HTTPServer(('', 8090), http.server.SimpleHTTPRequestHandler); \
                      print('ready', flush=True); server.serve_forever()";
        let mut server = self.on_node("python3", &["-c", server]);
        let mut server = server
            .current_dir("/proc/self/fdinfo")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        wait_for_line(&mut server);
        Server(server)
    }

    /// Takes the pod's interface away, as its runtime does.
    pub(crate) fn kill_pod(&self, last: u8) {
        ip(&format!("-n {}-node link del cali{last}", self.id));
    }

    /// Packets that crossed the pod's interface, by the kernel's own count.
    pub(crate) fn packets_of(&self, last: u8) -> u64 {
        self.packets_on(&format!("cali{last}"))
    }

    /// The same of any interface of the node.
    pub(crate) fn packets_on(&self, interface: &str) -> u64 {
        let path = format!("/sys/class/net/{interface}/statistics");
        let files = [format!("{path}/rx_packets"), format!("{path}/tx_packets")];
        let output = self.on_node("cat", &[&files[0], &files[1]]).output().expect("cat");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().map(|count| count.parse::<u64>().expect("a count")).sum()
    }

    /// The pod asks the machine outside for `paths`.
    pub(crate) fn ask(&self, last: u8, server: &str, paths: &[&str]) -> Child {
        let arguments = [&["-c", CLIENT, server], paths].concat();
        let mut command = within(&format!("{}-pod{last}", self.id), "python3", &arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python3 starts")
    }

    /// A server outside for [`Net::crowd`], behind [`CROWD_SERVICE`].
    pub(crate) fn crowd_server(&self) -> Server {
        let mut server = within(&format!("{}-out", self.id), "python3", &["-c", CROWD_SERVER]);
        let mut server = server.stdout(Stdio::piped()).spawn().expect("python3 starts");
        wait_for_line(&mut server);
        Server(server)
    }

    /// The pod asks over `count` connections, `together` at a time, from few ports. Gives how many were answered.
    pub(crate) fn crowd(&self, last: u8, server: &str, count: u32, together: u32) -> u32 {
        let pod = format!("{}-pod{last}", self.id);
        let ports = "net.ipv4.ip_local_port_range=10000 11999";
        run("ip", &["netns", "exec", &pod, "sysctl", "-qw", ports]);
        let words = ["-c", CROWD, server, &count.to_string(), &together.to_string()];
        let output = within(&pod, "python3", &words).output().expect("python3 starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{said}"))
    }

    /// The pod sends a datagram to `address` from each of `flows` ports.
    pub(crate) fn flood(&self, last: u8, address: &str, flows: u16) {
        let pod = format!("{}-pod{last}", self.id);
        let words = ["-c", FLOOD, address, &flows.to_string()];
        let output = within(&pod, "python3", &words).output().expect("python3 starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Leaves no room in the node's connection tracking table. Nobody is told of what fills it.
    pub(crate) fn fill_tracking(&self) {
        let told = |how| run("ip", &["netns", "exec", &self.node(), "sysctl", "-qw", how]);
        told("net.netfilter.nf_conntrack_events=0");
        let output = self.on_node("python3", &["-c", FILL]).output().expect("python3 starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        told("net.netfilter.nf_conntrack_events=1");
    }

    /// The pod asks on one connection, each time when it is told.
    pub(crate) fn ask_slowly(&self, last: u8, server: &str) -> SlowClient {
        let mut command = within(&format!("{}-pod{last}", self.id), "python3", &["-c", SLOW_CLIENT, server]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut answers = BufReader::new(child.stdout.take().expect("standard output"));
        // Until then the process may be a wrapper's, under another name.
        let mut line = String::new();
        answers.read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "here");
        SlowClient { child, answers }
    }

    /// The same, until all is answered.
    pub(crate) fn ask_all(&self, last: u8, paths: &[&str]) {
        self.ask_all_of(last, OUTSIDE, paths);
    }

    /// The same of another server's address.
    pub(crate) fn ask_all_of(&self, last: u8, server: &str, paths: &[&str]) {
        let output = self.ask(last, server, paths).wait_with_output().expect("an end");
        let answers = String::from_utf8_lossy(&output.stdout).matches("yes").count();
        assert_eq!(answers, paths.len(), "the pod gets its answers");
    }
}

impl Net {
    /// The pod looks a name up; it is that of the machine outside.
    pub(crate) fn look_up(&self, last: u8, name: &str) {
        let pod = format!("{}-pod{last}", self.id);
        let asked = within(&pod, "python3", &["-c", LOOKUP, name]).output().expect("python3");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    }

    /// The machine outside sends datagrams to the node in frames that have the tag of a VLAN.
    pub(crate) fn send_tagged(&self, vlan: u16, count: usize) {
        let out = format!("{}-out", self.id);
        let (vlan, count) = (vlan.to_string(), count.to_string());
        let sent = within(&out, "python3", &["-c", TAGGED, &vlan, &count]).output().expect("python3");
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        for name in self.pods.iter().cloned().chain(["node", "out"].map(|part| format!("{}-{part}", self.id)))
        {
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}

fn within(namespace: &str, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]).args(arguments).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

fn wait_for_line(child: &mut Child) {
    let stdout = child.stdout.as_mut().expect("standard output");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "ready");
}

fn ip(words: &str) {
    run("ip", &words.split(' ').collect::<Vec<_>>());
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().expect("iproute2 and procps are there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "these tests need root: {program} {arguments:?}: {said}");
    output
}
