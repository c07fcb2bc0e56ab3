//! A trail leg by leg. A proxy ends one conversation and opens another, so each leg has packets, acknowledgements
//! and an end of its own, and is followed and judged like an exchange without any proxy.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::model::{Expected, Hop, IcmpNotice, Leg, NodeId, Part, Sighting, Timestamp, Traced, Trail};
use crate::stages::followed::{Pair, follow};
use crate::stages::place::World;

/// One leg, as a trail that has no other.
#[derive(Debug)]
pub(super) struct OneLeg<'a> {
    pub(super) trail: Cow<'a, Trail>,
    pub(super) pair: Pair,
    /// How a proxy came to it; `None` for the client's leg.
    pub(super) hop: Option<&'a Hop>,
    /// Index into the whole trail's legs.
    pub(super) index: u8,
    /// Where its sightings stand in the whole trail; empty where they stand alike.
    places: Vec<u32>,
}

impl<'a> OneLeg<'a> {
    fn new(trail: Cow<'a, Trail>, world: &World<'_>, index: u8, places: Vec<u32>) -> OneLeg<'a> {
        let pair = follow(&trail, world);
        OneLeg { trail, pair, hop: None, index, places }
    }

    pub(super) fn leg(&self) -> Option<&Leg> {
        self.trail.legs.first()
    }

    /// Where the sighting at index `own` stands in the whole trail.
    pub(super) fn place(&self, own: u32) -> u32 {
        self.places.get(own as usize).copied().unwrap_or(own)
    }

    /// Where the proxy at its beginning runs: by the address it goes on from, or by where its packets come out.
    pub(super) fn opened_on(&self, world: &World<'_>) -> Option<NodeId> {
        use crate::model::{Direction, Role};
        let hop = self.hop?;
        let known = || world.topology.node_addresses.get(&self.leg()?.client.ip).copied();
        let request = &self.pair.request;
        let left = || {
            let out = request.first(Role::Uplink, Direction::Out);
            out.or_else(|| request.first(Role::Workload, Direction::Out)).map(|point| point.node)
        };
        hop.join.node.or_else(known).or_else(left)
    }
}

/// The legs that carried the exchange, the client's first.
pub(super) type Legs<'a> = SmallVec<[OneLeg<'a>; 1]>;

/// Takes `trail` apart. Tries that a proxy gave up are not among the legs.
pub(super) fn apart<'a>(trail: &'a Trail, world: &World<'_>) -> Legs<'a> {
    let mut legs = Legs::new();
    if trail.legs.len() <= 1 {
        legs.push(OneLeg::new(Cow::Borrowed(trail), world, 0, Vec::new()));
        return legs;
    }
    for index in trail.chain() {
        legs.push(one(trail, index, world));
    }
    legs
}

/// The leg at `index` by itself.
pub(super) fn one<'a>(trail: &'a Trail, index: u8, world: &World<'_>) -> OneLeg<'a> {
    let own: Vec<u32> =
        (0..).zip(&trail.sightings).filter(|(_, sighting)| sighting.leg == index).map(|(at, _)| at).collect();
    let sightings: Vec<Sighting> =
        own.iter().map(|&at| Sighting { leg: 0, ..trail.sightings[at as usize] }).collect();
    let hop = trail.hop_to(usize::from(index));
    let alone = Trail {
        legs: trail.legs.get(usize::from(index)).cloned().into_iter().collect(),
        hops: Vec::new(),
        marks: None,
        notices: notices_of(trail, &sightings),
        traced: traced_of(trail, index),
        expected: expected_of(trail, index),
        deadline: deadline_of(trail, &sightings, world),
        end: None,
        retransmissions: 0,
        id: trail.id,
        revision: trail.revision,
        left_out: trail.left_out,
        resolution: if hop.is_none() { trail.resolution.clone() } else { None },
        phase: hop.map_or(trail.phase, |hop| hop.phase),
        exchange: hop.map_or(&trail.exchange, |hop| &hop.exchange).clone(),
        is_mid_stream: hop.map_or(trail.is_mid_stream, |hop| hop.is_mid_stream),
        is_first_of_leg: hop.is_some() || trail.is_first_of_leg,
        request_seq: hop.map_or(trail.request_seq, |hop| hop.request_seq),
        reply_seq: hop.map_or(trail.reply_seq, |hop| hop.reply_seq),
        answer_is_whole: hop.map_or(trail.answer_is_whole, |hop| hop.answer_is_whole),
        sightings,
    };
    OneLeg { hop, ..OneLeg::new(Cow::Owned(alone), world, index, own) }
}

fn traced_of(trail: &Trail, index: u8) -> Vec<Traced> {
    let own = trail.traced.iter().filter(|traced| traced.leg == Some(index));
    own.map(|traced| Traced { leg: Some(0), ..traced.clone() }).collect()
}

fn expected_of(trail: &Trail, index: u8) -> Vec<Expected> {
    let own = trail.expected.iter().filter(|expected| expected.leg == index);
    own.map(|expected| Expected { leg: 0, ..expected.clone() }).collect()
}

/// A notice does not say which leg it is about; a leg that no ICMP error was seen on has none.
fn notices_of(trail: &Trail, sightings: &[Sighting]) -> SmallVec<[IcmpNotice; 1]> {
    let has_error = sightings.iter().any(|sighting| sighting.part == Part::IcmpError);
    if has_error { trail.notices.clone() } else { SmallVec::new() }
}

/// The deadline on the clock of the node that saw the leg first.
fn deadline_of(trail: &Trail, sightings: &[Sighting], world: &World<'_>) -> Timestamp {
    let ahead = |sighting: &Sighting| sighting.time.since(world.align(sighting.vantage, sighting.time));
    match (trail.sightings.first(), sightings.first()) {
        (Some(first), Some(own)) => trail.deadline.plus(ahead(own) - ahead(first)),
        _ => trail.deadline,
    }
}
