//! The capture points of all sources: one for each node and interface, whichever files it is seen in.

use hashbrown::HashMap;

use crate::model::{NodeId, Role, Vantage, VantageId};

/// More than a node ever has; what goes beyond is damage or malice.
const MOST_VANTAGES: usize = 16_384;

/// Capture points by first sight.
#[derive(Debug, Default)]
pub(super) struct Vantages {
    all: Vec<Vantage>,
    known: HashMap<(NodeId, Key), VantageId>,
}

/// What makes an interface of a node the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    /// An interface without a name is the same only in parts of the same capture.
    Unnamed {
        stem: String,
        number: u32,
    },
}

impl Vantages {
    pub(super) fn all(&self) -> &[Vantage] {
        &self.all
    }

    /// The capture point of `node`'s interface `name`, new or known; `None` if there are too many.
    pub(super) fn named(&mut self, node: NodeId, name: &str, role: Option<Role>) -> Option<VantageId> {
        self.enter(node, Key::Name(name.to_owned()), name, role)
    }

    /// The capture point for interface `number` of a capture that says no more.
    pub(super) fn unnamed(&mut self, node: NodeId, stem: &str, number: u32) -> Option<VantageId> {
        let name = if number == 0 { String::new() } else { format!("#{number}") };
        self.enter(node, Key::Unnamed { stem: stem.to_owned(), number }, &name, None)
    }

    fn enter(&mut self, node: NodeId, key: Key, name: &str, role: Option<Role>) -> Option<VantageId> {
        if let Some(&id) = self.known.get(&(node, key.clone())) {
            return Some(id);
        }
        if self.all.len() >= MOST_VANTAGES {
            return None;
        }
        let id = VantageId(self.all.len() as u16);
        self.all.push(Vantage {
            node,
            interface: name.to_owned(),
            role: role.unwrap_or(Role::Other),
            role_is_given: role.is_some(),
        });
        self.known.insert((node, key), id);
        Some(id)
    }
}
