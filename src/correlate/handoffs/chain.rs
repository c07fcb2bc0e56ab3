//! One trail out of the trails on both sides of each proxy.

use crate::model::{Hop, Join, Traced, Trail};

/// Legs of one journey; more would be a loop of proxies, or a tunnel that carries everything.
const MAX_LEGS: usize = 16;

/// Whether `next`, itself perhaps a chain already, has room behind `head`.
pub(super) fn has_room(head: &Trail, next: &Trail) -> bool {
    head.legs.len() + next.legs.len() <= MAX_LEGS
}

/// Puts `next` behind the first leg of `head`.
pub(super) fn append(head: &mut Trail, join: Join, next: Trail) {
    let shift = head.legs.len() as u8;
    head.hops.push(Hop {
        from_leg: 0,
        join,
        exchange: next.exchange,
        phase: next.phase,
        request_seq: next.request_seq,
        reply_seq: next.reply_seq,
        is_mid_stream: next.is_mid_stream,
        answer_is_whole: next.answer_is_whole,
    });
    head.hops.extend(next.hops.into_iter().map(|hop| Hop { from_leg: hop.from_leg + shift, ..hop }));
    head.legs.extend(next.legs);
    head.sightings.extend(next.sightings.into_iter().map(|mut sighting| {
        sighting.leg += shift;
        sighting
    }));
    head.left_out += next.left_out;
    head.retransmissions += next.retransmissions;
    head.notices.extend(next.notices);
    head.traced.extend(next.traced.into_iter().map(|traced| {
        let leg = traced.leg.map(|leg| leg + shift);
        Traced { leg, ..traced }
    }));
    head.expected.extend(next.expected.into_iter().map(|mut expected| {
        expected.leg += shift;
        expected
    }));
}
