//! The names that go into a recording of `hopline record`: those of the DNS answers that are recorded with them, so
//! that a file of a ring has those of the files before it.

use std::time::Duration;

use hashbrown::HashSet;

use crate::app::clock;
use crate::capture::live::{LiveSource, Namer};
use crate::capture::{Options, Progress, Reader};
use crate::decode::{self, dns};
use crate::model::{Batch, Body, Direction, Ip, Names, Record, Role};

/// Packets read at once.
const PACKETS: usize = 4096;
/// How long the capture is left alone when there is nothing new.
const PAUSE: Duration = Duration::from_millis(200);
const DNS_PORT: u16 = 53;
/// More addresses than a cluster has; a recording's reader keeps no more.
const MOST_PODS: usize = 65_536;

/// Hands names to `namer` until the captures end: those of Services, and those that are `known`.
///
/// # Errors
/// When reading fails in a way that is not merely damage.
pub(super) fn collect(
    live: Vec<LiveSource>,
    options: &Options,
    known: &Names,
    mut namer: Namer,
) -> anyhow::Result<()> {
    let mut reader = Reader::follow(live, options)?;
    let mut batch = Batch::default();
    let (mut names, mut pods) = (known.clone(), HashSet::new());
    loop {
        batch.clear();
        let progress = reader.read(PACKETS, &mut |record| {
            if let Record::Frame(frame) = record {
                decode::decode(frame, &mut batch);
            }
        })?;
        for packet in &batch.packets {
            let role = reader.vantages().get(usize::from(packet.vantage.0)).map(|vantage| vantage.role);
            if role == Some(Role::Workload) && packet.direction == Direction::In && pods.len() < MOST_PODS {
                pods.insert(packet.tuple.src.ip);
            }
            if matches!(packet.body, Body::Udp(_)) && packet.tuple.src.port == DNS_PORT {
                learn(batch.payload(packet), &pods, &mut names);
            }
        }
        names.extend(reader.names());
        namer.tell(&names);
        match progress {
            Progress::More => {}
            Progress::Waiting => clock::wait(PAUSE),
            Progress::End => return Ok(()),
        }
    }
}

/// A headless Service resolves to its pods, which are named by more than the Service.
fn learn(payload: &[u8], pods: &HashSet<Ip>, names: &mut Names) {
    let Some(message) = dns::message(payload) else { return };
    let Some(name) = message.service_name() else { return };
    for &ip in message.addresses.iter().filter(|ip| !pods.contains(*ip)) {
        names.service(ip, &name);
    }
}
