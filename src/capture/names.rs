//! Names of addresses from a file: what kubectl writes, or the form of /etc/hosts (`hosts(5)`).

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::capture::CaptureError;
use crate::capture::naming::printable;
use crate::model::{Endpoint, Ip, Names};

/// A larger file is none of these; a cluster of thousands of pods makes a tenth of it.
const LARGEST: u64 = 256 << 20;

/// Adds the names of a file to `names`.
///
/// # Errors
/// When it cannot be read, or is neither JSON of Kubernetes objects nor lines of address and name.
pub fn read_names(path: &Path, names: &mut Names) -> Result<(), CaptureError> {
    let wrong = |cause: String| CaptureError::Names { path: path.display().to_string(), cause };
    let mut text = String::new();
    let file = File::open(path).map_err(|cause| wrong(cause.to_string()))?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|cause| wrong(cause.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(wrong("it is too large to be a list of names".to_owned()));
    }
    if text.trim_start().starts_with('{') {
        let list: List = serde_json::from_str(&text).map_err(|cause| wrong(cause.to_string()))?;
        list.tell(names);
        return Ok(());
    }
    hosts(&text, names).map_err(wrong)
}

/// Lines of an address and its names, of which the first counts.
fn hosts(text: &str, names: &mut Names) -> Result<(), String> {
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { continue };
        match (address.parse::<Ip>(), words.next()) {
            (Ok(ip), Some(name)) => names.name(ip, &printable(name)),
            _ => return Err(format!("line {number} is no address and name: {}", printable(line.trim()))),
        }
    }
    Ok(())
}

/// A list of objects, or one object (`kubectl get -o json`).
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    items: Vec<Object>,
    #[serde(flatten)]
    own: Object,
}

/// The parts that name addresses, of every kind of object.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    #[serde(rename = "kind")]
    its_kind: String,
    metadata: Metadata,
    spec: Spec,
    status: Status,
    /// Of an EndpointSlice.
    endpoints: Vec<SliceEndpoint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    host_network: bool,
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Vec<String>,
    #[serde(rename = "externalIPs")]
    external_ips: Vec<String>,
    ports: Vec<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    name: String,
    port: u16,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<Address>,
    addresses: Vec<Address>,
    load_balancer: LoadBalancer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    ip: String,
    /// Of a node.
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<Address>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SliceEndpoint {
    addresses: Vec<String>,
    target_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    kind: String,
    name: String,
    namespace: String,
}

impl List {
    /// Endpoints last: pods know their own names.
    fn tell(mut self, names: &mut Names) {
        if self.items.is_empty() {
            self.own.its_kind.clone_from(&self.kind);
            self.items.push(self.own);
        }
        // Items of a typed list may leave their kind out.
        let of_list = self.kind.trim_end_matches("List");
        for object in self.items.iter_mut().filter(|object| object.its_kind.is_empty()) {
            of_list.clone_into(&mut object.its_kind);
        }
        for object in &self.items {
            match object.its_kind.as_str() {
                "Pod" => object.pod(names),
                "Service" => object.service(names),
                "Node" => object.node(names),
                _ => {}
            }
        }
        for object in self.items.iter().filter(|object| object.its_kind == "EndpointSlice") {
            object.slice(names);
        }
    }
}

impl Object {
    fn pod(&self, names: &mut Names) {
        // One on the host's network has the node's address; one that is over has none any more.
        if self.spec.host_network || matches!(self.status.phase.as_str(), "Succeeded" | "Failed") {
            return;
        }
        let name = self.metadata.full();
        let all = self.status.pod_ips.iter().map(|address| &address.ip).chain([&self.status.pod_ip]);
        for ip in all.filter_map(|ip| ip.parse().ok()) {
            names.name(ip, &name);
        }
    }

    fn service(&self, names: &mut Names) {
        let name = self.metadata.full();
        let Spec { cluster_ip, cluster_ips, external_ips, ports, .. } = &self.spec;
        let balanced = self.status.load_balancer.ingress.iter().map(|address| &address.ip);
        let all = cluster_ips.iter().chain([cluster_ip]).chain(external_ips).chain(balanced);
        for ip in all.filter_map(|ip| ip.parse::<Ip>().ok()) {
            names.service(ip, &name);
            for Port { name, port } in ports {
                names.port(Endpoint::new(ip, *port), &printable(name));
            }
        }
    }

    fn node(&self, names: &mut Names) {
        let name = printable(&self.metadata.name);
        for ip in self.status.addresses.iter().filter_map(|address| address.address.parse().ok()) {
            names.node(ip, &name);
        }
    }

    fn slice(&self, names: &mut Names) {
        for endpoint in &self.endpoints {
            let Some(target) = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod") else {
                continue;
            };
            let name = full(&target.namespace, &target.name);
            // A pod on the host's network has its node's address.
            for ip in endpoint.addresses.iter().filter_map(|ip| ip.parse().ok()) {
                names.name(ip, &name);
            }
        }
    }
}

impl Metadata {
    fn full(&self) -> String {
        full(&self.namespace, &self.name)
    }
}

fn full(namespace: &str, name: &str) -> String {
    printable(&if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") })
}

/// What a recording says of names beside a name resolution block's records: a line each.
///
/// Lines are `hopline service 10.43.7.9`, `hopline node 192.168.50.11`, `hopline port 10.43.7.9:80 http` and
/// `hopline listens 192.168.50.11:80 haproxy`.
pub(super) fn read_line(line: &str, names: &mut Names) {
    let mut words = line.splitn(4, ' ');
    if words.next() != Some("hopline") {
        return;
    }
    let (Some(kind), Some(place)) = (words.next(), words.next()) else { return };
    let endpoint =
        || place.parse().ok().map(|socket: SocketAddr| Endpoint::new(socket.ip().into(), socket.port()));
    match (kind, place.parse::<Ip>().ok(), words.next()) {
        ("service", Some(ip), None) => names.service(ip, ""),
        ("node", Some(ip), None) => names.node(ip, ""),
        ("port", None, Some(name)) => {
            if let Some(endpoint) = endpoint() {
                names.port(endpoint, &printable(name));
            }
        }
        ("listens", None, Some(name)) => {
            if let Some(endpoint) = endpoint() {
                names.listener(endpoint, &printable(name));
            }
        }
        _ => {}
    }
}

/// The lines that [`read_line`] reads.
pub(super) fn lines(names: &Names) -> impl Iterator<Item = String> {
    let services = names.services.iter().map(|ip| format!("hopline service {ip}"));
    let nodes = names.nodes.iter().map(|ip| format!("hopline node {ip}"));
    let ports = names.ports.iter().map(|(endpoint, name)| format!("hopline port {endpoint} {name}"));
    let listeners =
        names.listeners.iter().map(|(endpoint, name)| format!("hopline listens {endpoint} {name}"));
    services.chain(nodes).chain(ports).chain(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Names, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("names");
        std::fs::write(&path, text).expect("a file");
        let mut names = Names::default();
        read_names(&path, &mut names).map(|()| names).map_err(|error| error.to_string())
    }

    fn ip(text: &str) -> Ip {
        text.parse().expect(text)
    }

    const OBJECTS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"kind": "Pod", "metadata": {"name": "web-7d9f", "namespace": "shop", "labels": {"a": "b"}},
         "spec": {"nodeName": "kappa2", "containers": [{"ports": [{"containerPort": 8080}]}]},
         "status": {"phase": "Running", "podIP": "10.244.2.33", "podIPs": [{"ip": "10.244.2.33"}, {"ip": "fd00::33"}]}},
        {"kind": "Pod", "metadata": {"name": "proxy", "namespace": "kube-system"}, "spec": {"hostNetwork": true},
         "status": {"phase": "Running", "podIP": "192.168.50.11"}},
        {"kind": "Pod", "metadata": {"name": "done", "namespace": "shop"}, "status": {"phase": "Succeeded", "podIP": "10.244.2.9"}},
        {"kind": "Pod", "metadata": {"name": "new", "namespace": "shop"}, "status": {"phase": "Pending"}},
        {"kind": "Service", "metadata": {"name": "mix", "namespace": "shop"},
         "spec": {"clusterIP": "10.43.7.9", "clusterIPs": ["10.43.7.9"], "ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"port": 81}]},
         "status": {"loadBalancer": {"ingress": [{"ip": "192.168.50.200"}]}}},
        {"kind": "Service", "metadata": {"name": "headless", "namespace": "shop"}, "spec": {"clusterIP": "None", "ports": []}},
        {"kind": "EndpointSlice", "metadata": {"name": "mix-x", "namespace": "shop"}, "addressType": "IPv4", "ports": [{"name": "http"}],
         "endpoints": [{"addresses": ["10.244.3.7"], "targetRef": {"kind": "Pod", "name": "web-zz", "namespace": "shop"}},
                       {"addresses": ["10.244.2.33"], "targetRef": {"kind": "Pod", "name": "other", "namespace": "shop"}},
                       {"addresses": ["203.0.113.9"]}]},
        {"kind": "Node", "metadata": {"name": "kappa1"},
         "status": {"addresses": [{"type": "InternalIP", "address": "192.168.50.11"}, {"type": "Hostname", "address": "kappa1"}]}}]}"#;

    #[test]
    fn what_kubectl_writes_names_pods_services_and_nodes() {
        let names = read(OBJECTS).expect("names");
        let expected = [
            ("10.43.7.9", "shop/mix"),
            ("10.244.2.33", "shop/web-7d9f"),
            ("10.244.3.7", "shop/web-zz"),
            ("192.168.50.11", "kappa1"),
            ("192.168.50.200", "shop/mix"),
            ("fd00::33", "shop/web-7d9f"),
        ];
        let expected = expected.map(|(address, name)| (ip(address), name.to_owned()));
        assert_eq!(names.addresses, expected.into_iter().collect());
        assert_eq!(names.services, [ip("10.43.7.9"), ip("192.168.50.200")].into_iter().collect());
        assert_eq!(names.nodes, [ip("192.168.50.11")].into_iter().collect());
        assert_eq!(names.ports[&Endpoint::new(ip("10.43.7.9"), 80)], "http");
        assert_eq!(names.ports.len(), 2, "a port without a name has none");
    }

    #[test]
    fn one_object_and_a_typed_list_are_read_as_well() {
        let one = r#"{"kind": "Node", "metadata": {"name": "kappa1"}, "status": {"addresses": [{"address": "10.0.0.1"}]}}"#;
        assert_eq!(read(one).expect("names").addresses[&ip("10.0.0.1")], "kappa1");
        let typed = r#"{"kind": "PodList", "items": [{"metadata": {"name": "x", "namespace": "y"}, "status": {"podIP": "10.0.0.2"}}]}"#;
        assert_eq!(read(typed).expect("names").addresses[&ip("10.0.0.2")], "y/x");
    }

    #[test]
    fn a_hosts_file_names_addresses_and_mistakes_have_a_place() {
        let names = read("# all\n10.0.0.1 db db.shop  # main\n\nfd00::7\tcache\n").expect("names");
        assert_eq!(names.addresses[&ip("10.0.0.1")], "db");
        assert_eq!(names.addresses[&ip("fd00::7")], "cache");
        let said = read("10.0.0.1 db\n10.0.0 \u{1b}[2J\n").expect_err("a mistake");
        assert!(said.contains("line 2") && !said.contains('\u{1b}'), "{said}");
        assert!(read("{\"items\": 7}").expect_err("a mistake").contains("line 1"));
    }

    #[test]
    fn names_never_carry_what_moves_a_cursor() {
        let names = read("10.0.0.1 a\u{1b}[2Jb\u{202e}\n").expect("names");
        assert_eq!(names.addresses[&ip("10.0.0.1")], "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn lines_of_a_recording_are_read_as_they_are_written() {
        let mut told = Names::default();
        told.service(ip("10.43.7.9"), "");
        told.node(ip("fd00::1"), "");
        told.port(Endpoint::new(ip("10.43.7.9"), 80), "http");
        told.listener(Endpoint::new(ip("fd00::1"), 80), "haproxy of mine");
        let mut read = Names::default();
        for line in lines(&told) {
            read_line(&line, &mut read);
        }
        assert_eq!(read, told);
        for other in [
            "",
            "hopline",
            "hopline port 10.0.0.1 x",
            "hopline service x",
            "a comment",
            "hopline port 1.1.1.1:1",
        ] {
            read_line(other, &mut read);
        }
        assert_eq!(read, told);
    }
}
