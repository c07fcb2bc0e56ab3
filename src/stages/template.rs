//! The numbered routes of the paths: what `assets/paths/*.toml` say, checked and ready to place trails on.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Direction, Label, Role, Stage, Way};
use crate::stages::error::TemplateError;
use crate::stages::read;

/// One path: its stages and the routes through them.
#[derive(Clone, Debug)]
pub struct Template {
    pub name: Arc<str>,
    pub title: Label,
    /// Request stages, then reply stages, each by number.
    pub stages: Vec<StageLabel>,
    /// The first whose conditions hold is taken; the last has none.
    pub routes: Vec<Route>,
}

/// A stage of a path and its short wording.
#[derive(Clone, Debug)]
pub struct StageLabel {
    pub stage: Stage,
    pub label: Arc<Label>,
}

/// One way through a path's stages.
#[derive(Clone, Debug)]
pub struct Route {
    pub name: Arc<str>,
    /// Facts that must hold (`true`) or must not (`false`).
    pub when: Vec<(Fact, bool)>,
    pub request: Vec<Step>,
    pub reply: Vec<Step>,
    /// Legs it is made of: one more than proxies that the answer goes back through.
    pub legs: u8,
}

impl Route {
    /// The route's leg that a trail's leg at `index` of `count` is walked on. The first and the last are
    /// themselves; what lies between is as often between proxies as there are proxies.
    pub(super) fn leg_for(&self, index: usize, count: usize) -> u8 {
        let last = self.legs.saturating_sub(1);
        match index {
            0 => 0,
            _ if index + 1 == count => last,
            _ => last.min(1),
        }
    }

    /// The steps of one of its legs, the request's and the reply's. Behind its last leg is what the route leaves
    /// outside.
    pub(super) fn steps(&self, leg: u8) -> (&[Step], &[Step]) {
        let is_last = leg + 1 == self.legs;
        let of = |steps: &[Step], is_it: &dyn Fn(u8) -> bool| {
            let first = steps.iter().position(|step| is_it(step.leg)).unwrap_or(steps.len());
            let after = steps.iter().rposition(|step| is_it(step.leg)).map_or(first, |last| last + 1);
            first..after
        };
        let request = of(&self.request, &|of_step| of_step == leg || (is_last && of_step > leg));
        let reply = of(&self.reply, &|of_step| of_step == leg);
        (&self.request[request], &self.reply[reply])
    }
}

/// A step of a route: a visit, or a capture point on the way that has no number.
#[derive(Clone, Debug)]
pub struct Step {
    /// `None` for a point on the way.
    pub stage: Option<StageLabel>,
    pub spot: Spot,
    /// `None` where it happens on no node of the path.
    pub node: Option<Letter>,
    /// Which leg of the route the packet is of here: how many proxies lie between the client and it.
    pub leg: u8,
}

/// What a step is, and thereby what can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A capture point: the role of the interface and the way the packet crosses it.
    Point(Role, Direction),
    /// Any capture point by which the packet may leave the node, where the way onward is not known.
    Exit,
    /// The client has a name in mind.
    Name,
    DnsQuery,
    DnsAnswer,
    /// A place in the node's network stack, by its netfilter hook; no packet is captured there.
    Prerouting,
    Routing,
    Forward,
    Postrouting,
    Input,
    Output,
    /// Where addresses are rewritten.
    Translation,
    /// Between two uplinks.
    Fabric,
    /// A pod takes the packet.
    Pod,
    /// A process on the node takes it.
    Process,
    /// A proxy takes it, and goes on with a connection of its own.
    Proxy,
    /// Where no capture point of the cluster can be.
    Outside,
    /// A stage that the route does not pass.
    Skipped,
}

impl Spot {
    /// As templates write it.
    pub const ALL: [(&'static str, Spot); 22] = [
        ("W-in", Spot::Point(Role::Workload, Direction::In)),
        ("W-out", Spot::Point(Role::Workload, Direction::Out)),
        ("U-in", Spot::Point(Role::Uplink, Direction::In)),
        ("U-out", Spot::Point(Role::Uplink, Direction::Out)),
        ("L-in", Spot::Point(Role::Loopback, Direction::In)),
        ("exit", Spot::Exit),
        ("name", Spot::Name),
        ("dns-query", Spot::DnsQuery),
        ("dns-answer", Spot::DnsAnswer),
        ("prerouting", Spot::Prerouting),
        ("routing", Spot::Routing),
        ("forward", Spot::Forward),
        ("postrouting", Spot::Postrouting),
        ("input", Spot::Input),
        ("output", Spot::Output),
        ("translation", Spot::Translation),
        ("fabric", Spot::Fabric),
        ("pod", Spot::Pod),
        ("process", Spot::Process),
        ("proxy", Spot::Proxy),
        ("outside", Spot::Outside),
        ("skipped", Spot::Skipped),
    ];

    /// Whether it happens on a node, which a step then has to name.
    pub const fn has_node(self) -> bool {
        !matches!(self, Spot::Fabric | Spot::Outside | Spot::Skipped)
    }

    /// Whether something ends the packet's way here.
    pub const fn is_end(self) -> bool {
        matches!(self, Spot::Pod | Spot::Process | Spot::Proxy)
    }
}

/// A node by its part in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// The client's side: its node, or the first that a client outside reaches.
    A,
    /// The node of the serving pod.
    B,
    /// The node that holds the VIP; on each leg that a proxy opened, that proxy's.
    V,
    /// The node of the Traefik that was chosen; on each leg to a proxy, that proxy's.
    T,
}

impl Letter {
    pub const ALL: [(&'static str, Letter); 4] =
        [("A", Letter::A), ("B", Letter::B), ("V", Letter::V), ("T", Letter::T)];
}

/// What may decide which route a trail takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Fact {
    /// Client side and serving pod are on one node (of a proxied path: the last proxy and the pod).
    SameNode = 1,
    /// They are on two.
    OtherNode = 2,
    /// Neither is known, as no way onward from the client's side was seen.
    Undecided = 4,
    /// The pod reaches itself.
    Hairpin = 8,
    /// The server saw another client address than the client's own.
    Masqueraded = 16,
    /// A proxy's own connection is joined to the client's.
    HandedOn = 32,
    /// One proxy lies between the client and the endpoint.
    OneProxy = 1024,
    ClientIsNode = 64,
    ClientIsOutside = 128,
    ServerIsNode = 256,
    ServerIsOutside = 512,
}

impl Fact {
    pub const ALL: [(&'static str, Fact); 11] = [
        ("same-node", Fact::SameNode),
        ("other-node", Fact::OtherNode),
        ("undecided", Fact::Undecided),
        ("hairpin", Fact::Hairpin),
        ("masqueraded", Fact::Masqueraded),
        ("handed-on", Fact::HandedOn),
        ("one-proxy", Fact::OneProxy),
        ("client-is-node", Fact::ClientIsNode),
        ("client-is-outside", Fact::ClientIsOutside),
        ("server-is-node", Fact::ServerIsNode),
        ("server-is-outside", Fact::ServerIsOutside),
    ];
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FactSet(u16);

impl FactSet {
    pub(super) fn set(&mut self, fact: Fact, holds: bool) {
        if holds {
            self.0 |= fact as u16;
        }
    }

    pub(super) fn has(self, fact: Fact) -> bool {
        self.0 & fact as u16 != 0
    }
}

impl Template {
    /// The first route whose conditions `facts` meet; the last one has none.
    pub(super) fn route(&self, facts: FactSet) -> Option<&Route> {
        self.routes.iter().find(|route| route.when.iter().all(|&(fact, wanted)| facts.has(fact) == wanted))
    }

    /// The stages of one way, by number.
    pub fn stages_of(&self, way: Way) -> impl Iterator<Item = &StageLabel> {
        self.stages.iter().filter(move |label| label.stage.way == way)
    }
}

/// The templates of all paths.
#[derive(Clone, Debug)]
pub struct Templates {
    /// In the order of [`EMBEDDED`].
    list: Vec<Template>,
    pub(super) unclassified: Arc<str>,
    pub(super) no_route: Arc<str>,
}

/// The paths that trails are sorted into, with the templates that come with the program.
const EMBEDDED: [(&str, &str); 9] = [
    ("pod-to-service", include_str!("../../assets/paths/pod-to-service.toml")),
    ("pod-to-pod", include_str!("../../assets/paths/pod-to-pod.toml")),
    ("ingress-to-pod", include_str!("../../assets/paths/ingress-to-pod.toml")),
    ("external-to-pod", include_str!("../../assets/paths/external-to-pod.toml")),
    ("external-to-service", include_str!("../../assets/paths/external-to-service.toml")),
    ("host-to-pod", include_str!("../../assets/paths/host-to-pod.toml")),
    ("pod-to-external", include_str!("../../assets/paths/pod-to-external.toml")),
    ("nodeport-to-pod", include_str!("../../assets/paths/nodeport-to-pod.toml")),
    ("dns-lookup", include_str!("../../assets/paths/dns-lookup.toml")),
];

impl Templates {
    /// The templates that come with the program.
    ///
    /// # Panics
    /// Never in a build whose tests passed: the texts are part of the program and a test reads them all.
    pub fn embedded() -> Templates {
        let read = |(name, text): &(&str, &str)| match read::template(text, &format!("{name}.toml")) {
            Ok(template) => template,
            Err(error) => unreachable!("embedded template: {error}"),
        };
        Templates {
            list: EMBEDDED.iter().map(read).collect(),
            unclassified: Arc::from("unclassified"),
            no_route: Arc::from("none"),
        }
    }

    /// The embedded templates, with those of `dir` (`*.toml`) in place of the ones they are named like.
    ///
    /// # Errors
    /// Names the file, the line, what is wrong and what to try, for the first file that is unusable.
    pub fn load(dir: &Path) -> Result<Templates, TemplateError> {
        let mut templates = Templates::embedded();
        for path in read::files(dir)? {
            let template = read::file(&path)?;
            match templates.list.iter_mut().find(|known| known.name == template.name) {
                Some(known) => *known = template,
                None => return Err(unknown_name(&path, &template.name)),
            }
        }
        Ok(templates)
    }

    /// All of them, the five paths of the network first.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.list.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Template> {
        self.list.iter().find(|template| &*template.name == name)
    }
}

fn unknown_name(path: &Path, name: &str) -> TemplateError {
    let known: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    TemplateError {
        file: path.display().to_string(),
        line: 1,
        what: format!("no journey is sorted into a path named `{name}`"),
        hint: format!("name it as the path it replaces: {}", known.join(", ")),
    }
}
