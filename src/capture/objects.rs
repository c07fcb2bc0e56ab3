//! Kubernetes objects, as `kubectl get -o json` and the API write them: the names that they tell of addresses.

use serde::Deserialize;
use toml::value::Datetime;

use crate::capture::naming::printable;
use crate::model::{Endpoint, Ip, Names, Timestamp};

/// A list of objects, or one object (`kubectl get -o json`).
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    items: Vec<Object>,
    #[serde(flatten)]
    own: Object,
}

/// The parts that name addresses, of every kind of object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(rename = "kind")]
    its_kind: String,
    metadata: Metadata,
    spec: Spec,
    status: Status,
    /// Of an EndpointSlice; `null` where it has none.
    endpoints: Option<Vec<SliceEndpoint>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    name: String,
    port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    /// Of a pod: when its node took it on, which is before it has an address.
    start_time: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<Address>,
    addresses: Vec<Address>,
    load_balancer: LoadBalancer,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    ip: String,
    /// Of a node.
    address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<Address>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SliceEndpoint {
    addresses: Vec<String>,
    target_ref: Option<Target>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    kind: String,
    name: String,
    namespace: String,
}

impl List {
    /// Adds the names that the objects tell.
    pub(super) fn tell(mut self, names: &mut Names) {
        if self.items.is_empty() {
            self.own.its_kind.clone_from(&self.kind);
            self.items.push(self.own);
        }
        // Items of a typed list may leave their kind out.
        let of_list = self.kind.trim_end_matches("List");
        for object in self.items.iter_mut().filter(|object| object.its_kind.is_empty()) {
            of_list.clone_into(&mut object.its_kind);
        }
        tell_all(&self.items, names);
    }
}

/// Adds what objects tell of names. Endpoints last: pods and nodes know their own names.
pub(super) fn tell_all(objects: &[Object], names: &mut Names) {
    let is_slice = |object: &&Object| object.its_kind == "EndpointSlice";
    objects.iter().filter(|object| !is_slice(object)).for_each(|object| object.tell(names));
    objects.iter().filter(is_slice).for_each(|object| object.tell(names));
}

impl Object {
    /// An object of which the client read kind, name and namespace already. What is not as it should be is left out.
    #[cfg(feature = "kubernetes")]
    pub(super) fn new(
        kind: &str,
        name: Option<String>,
        namespace: Option<String>,
        data: serde_json::Value,
    ) -> Object {
        let metadata = Metadata { name: name.unwrap_or_default(), namespace: namespace.unwrap_or_default() };
        let read: Object = serde_json::from_value(data).unwrap_or_default();
        Object { its_kind: kind.to_owned(), metadata, ..read }
    }

    fn tell(&self, names: &mut Names) {
        match self.its_kind.as_str() {
            "Pod" => self.pod(names),
            "Service" => self.service(names),
            "Node" => self.node(names),
            "EndpointSlice" => self.slice(names),
            _ => {}
        }
    }

    fn pod(&self, names: &mut Names) {
        // One on the host's network has the node's address; one that is over has none any more.
        if self.spec.host_network || matches!(self.status.phase.as_str(), "Succeeded" | "Failed") {
            return;
        }
        let name = self.metadata.full();
        let all = self.status.pod_ips.iter().map(|address| &address.ip).chain([&self.status.pod_ip]);
        let started = time(&self.status.start_time);
        for ip in all.filter_map(|ip| ip.parse().ok()) {
            match started {
                Some(since) => names.tenant(ip, since, &name),
                None => names.name(ip, &name),
            }
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
        for endpoint in self.endpoints.iter().flatten() {
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

/// A time as Kubernetes writes it, `2026-11-22T20:30:00Z`.
fn time(text: &str) -> Option<Timestamp> {
    let moment: Datetime = text.parse().ok().filter(|_| text.ends_with('Z'))?;
    let (date, time) = moment.date.zip(moment.time)?;
    Some(Timestamp::of_civil([
        date.year.into(),
        date.month.into(),
        date.day.into(),
        time.hour.into(),
        time.minute.into(),
        time.second.unwrap_or_default().into(),
    ]))
}

fn full(namespace: &str, name: &str) -> String {
    printable(&if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SECONDS;

    fn read(text: &str) -> Names {
        let mut names = Names::default();
        serde_json::from_str::<List>(text).expect("objects").tell(&mut names);
        names
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
        {"kind": "EndpointSlice", "metadata": {"name": "none", "namespace": "shop"}, "endpoints": null, "ports": null},
        {"kind": "EndpointSlice", "metadata": {"name": "mix-x", "namespace": "shop"}, "addressType": "IPv4", "ports": [{"name": "http"}],
         "endpoints": [{"addresses": ["10.244.3.7"], "targetRef": {"kind": "Pod", "name": "web-zz", "namespace": "shop"}},
                       {"addresses": ["10.244.2.33"], "targetRef": {"kind": "Pod", "name": "other", "namespace": "shop"}},
                       {"addresses": ["203.0.113.9"]}]},
        {"kind": "Node", "metadata": {"name": "kappa1"},
         "status": {"addresses": [{"type": "InternalIP", "address": "192.168.50.11"}, {"type": "Hostname", "address": "kappa1"}]}}]}"#;

    #[test]
    fn what_kubectl_writes_names_pods_services_and_nodes() {
        let names = read(OBJECTS);
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
        assert_eq!(read(one).addresses[&ip("10.0.0.1")], "kappa1");
        let typed = r#"{"kind": "PodList", "items": [{"metadata": {"name": "x", "namespace": "y"}, "status": {"podIP": "10.0.0.2"}}]}"#;
        assert_eq!(read(typed).addresses[&ip("10.0.0.2")], "y/x");
    }

    #[test]
    fn an_address_that_passes_on_has_its_pods_names_from_their_starts() {
        let pod = |name: &str, start: &str| {
            format!(
                r#"{{"kind": "Pod", "metadata": {{"name": "{name}", "namespace": "shop"}},
                     "status": {{"podIP": "10.244.2.33", "startTime": "{start}"}}}}"#
            )
        };
        let (first, second) = ("2026-11-22T20:30:00Z", "2026-11-22T21:00:00Z");
        let slice = r#"{"kind": "EndpointSlice", "endpoints": [{"addresses": ["10.244.2.33"],
            "targetRef": {"kind": "Pod", "name": "old", "namespace": "shop"}}]}"#;
        let items = [slice.to_owned(), pod("new", second), pod("old", first)].join(",");
        let names = read(&format!(r#"{{"items": [{items}]}}"#));
        let start = time(first).expect("a time");
        assert_eq!(start, Timestamp(1_795_379_400 * SECONDS));
        let name = |after_s: i64| names.at(ip("10.244.2.33"), start.plus(after_s * SECONDS));
        assert_eq!(
            [-1, 0, 1799, 1800].map(name),
            [None, Some("shop/old"), Some("shop/old"), Some("shop/new")]
        );
        for other in ["", "2026-11-22", "2026-11-22T20:30:00+01:00", "2026-13-22T20:30:00Z"] {
            assert_eq!(time(other), None, "{other}");
        }
    }
}
