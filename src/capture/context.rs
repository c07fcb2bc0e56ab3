//! How a source is opened, and what it needs of the reader: where interfaces and names are kept.

use std::io;

use crate::capture::discover::{Candidate, unreadable};
use crate::capture::format::Interface;
use crate::capture::input::{Input, Stream};
use crate::capture::link;
use crate::capture::live::Lost;
use crate::capture::vantages::Vantages;
use crate::capture::{CaptureError, Options, SourcePath};
use crate::model::{Ip, Losses, Names, NodeId, Role, VantageId};

/// Addresses of nodes that are kept, of all sources.
const MOST_ADDRESSES: usize = 65_536;

/// How a source is opened and named, so that it can be opened once more for a preview.
pub(super) struct Origin {
    pub(super) candidate: Candidate,
    pub(super) node: NodeId,
    /// Its place among the sources as they were named.
    pub(super) place: u16,
    /// Only for what cannot be read twice.
    pub(super) stream: Option<Stream>,
    pub(super) follow: bool,
    /// How much is read at a time.
    pub(super) chunk: usize,
    /// Of a live capture: what did not get here.
    pub(super) lost: Option<Lost>,
}

impl Origin {
    pub(super) fn open(&self) -> io::Result<Input> {
        match (&self.stream, &self.candidate.path) {
            (Some(stream), _) => Input::new(stream.reader(), self.chunk),
            (None, SourcePath::File(path)) => Input::open_file(path, self.follow, self.chunk),
            (None, SourcePath::Bundled { bytes, .. }) => Input::new(*bytes, self.chunk),
            (None, SourcePath::Stdin) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What the capture lost: `told` by its counts, and what did not get here.
    pub(super) fn lost_with(&self, told: Option<Losses>) -> Option<Losses> {
        let own = self.lost.as_ref().map(Lost::count);
        (told.is_some() || own.is_some())
            .then(|| Losses { own: own.unwrap_or_default(), ..told.unwrap_or_default() })
    }

    pub(super) fn error(&self, cause: io::Error) -> CaptureError {
        match &self.candidate.path {
            SourcePath::File(path) => unreadable(path, cause),
            SourcePath::Stdin | SourcePath::Bundled { .. } => {
                CaptureError::Unreadable { path: self.candidate.display.clone(), cause }
            }
        }
    }
}

/// What a source needs of the reader, and gives to it, while it is read.
pub(super) struct Context<'a> {
    pub(super) origin: &'a Origin,
    pub(super) options: &'a Options,
    pub(super) node_name: &'a str,
    pub(super) vantages: &'a mut Vantages,
    pub(super) names: &'a mut Names,
    pub(super) addresses: &'a mut Vec<(Ip, NodeId)>,
}

impl Context<'_> {
    /// The capture point of an interface that a file describes.
    pub(super) fn interface(&mut self, interface: &Interface) -> Option<VantageId> {
        let Candidate { interface: of_file, stem, .. } = &self.origin.candidate;
        // `any` stands for all interfaces: which one it was is not known.
        let told = interface.name.as_deref().filter(|&name| name != "any");
        let name = told
            .or_else(|| self.options.mapped(self.node_name, interface.number))
            .or_else(|| of_file.as_deref().filter(|_| interface.number == 0));
        match name {
            Some(name) => {
                let told = || interface.told.role.or_else(|| self.options.role(name));
                let role = self.options.given_role(name).or_else(told);
                self.keep_addresses(&interface.told.addresses, role);
                self.vantages.named(self.origin.node, name, role)
            }
            None => self.vantages.unnamed(self.origin.node, stem, interface.number),
        }
    }

    /// The capture point of a device that packets name by its index.
    pub(super) fn device(&mut self, index: u32, arphrd: u16) -> Option<VantageId> {
        let role_of_kind = match arphrd {
            link::ARPHRD_LOOPBACK => Some(Role::Loopback),
            link::ARPHRD_TUNNEL | link::ARPHRD_TUNNEL6 | link::ARPHRD_SIT => Some(Role::Tunnel),
            _ => None,
        };
        let name = match self.options.mapped(self.node_name, index) {
            Some(name) => name.to_owned(),
            // The kernel gives the loopback device this name.
            None if arphrd == link::ARPHRD_LOOPBACK => "lo".to_owned(),
            None => format!("if{index}"),
        };
        self.vantages.named(self.origin.node, &name, self.options.role(&name).or(role_of_kind))
    }

    /// Keeps a node's own addresses. A pod's interface has none but for the node's side of it.
    fn keep_addresses(&mut self, addresses: &[Ip], role: Option<Role>) {
        if matches!(role, None | Some(Role::Workload)) {
            return;
        }
        for &ip in addresses {
            let told = (ip, self.origin.node);
            if self.addresses.len() < MOST_ADDRESSES && !self.addresses.contains(&told) {
                self.addresses.push(told);
            }
        }
    }

    /// Keeps names of addresses; the first for an address stays.
    pub(super) fn keep_names(&mut self, names: &Names) {
        self.names.extend(names);
    }
}
