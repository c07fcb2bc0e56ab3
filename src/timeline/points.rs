//! Sightings of the followed packet that no stage has a number for: points on the way.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::model::{
    Direction, Journey, Label, NodeId, Part, Role, Sighting, Stage, State, Timestamp, Visit, Way,
};
use crate::timeline::Context;
use crate::timeline::Language;
use crate::timeline::fill_label;
use crate::timeline::proxies::is_given_up;
use crate::timeline::words::Word;

/// The number of a visit that is no stage of the path.
pub const UNNUMBERED: u8 = 0;

/// `journey` with a visit of its own for each point on the way. What was seen of a try that a proxy gave up, answer
/// and all, stands in the request: it came before what was asked in the end.
pub fn with_points<'a>(journey: &'a Journey, context: &Context<'_>) -> Cow<'a, Journey> {
    let followed = followed(journey);
    let points: Vec<u32> = (0_u32..)
        .zip(&journey.trail.sightings)
        .filter(|&(index, sighting)| is_point(journey, index, sighting, &followed))
        .map(|(index, _)| index)
        .collect();
    let is_split = journey.request.iter().any(is_taken_at_hook);
    if points.is_empty() && !is_split {
        return Cow::Borrowed(journey);
    }
    let mut whole = journey.clone();
    for index in points {
        let sighting = &journey.trail.sightings[index as usize];
        let Some(node) = context.node_of(sighting.vantage) else { continue };
        let time = context.clocks.align(node, sighting.time);
        let is_given_up = is_given_up(journey, sighting);
        let way = if is_given_up { Way::Request } else { sighting.way };
        let is_tunnel = context.topology.vantage(sighting.vantage).role == Role::Tunnel;
        let label = match (is_given_up, is_tunnel) {
            (true, _) => given_up(journey, sighting, context),
            (false, true) => worded(Word::ThroughTunnel),
            (false, false) => on_the_way(),
        };
        let visits = if way == Way::Request { &mut whole.request } else { &mut whole.reply };
        if let Some(place) = place_of(visits, node, sighting.direction, time) {
            visits.insert(place, point(sighting, index, way, node, time, label));
        }
    }
    if is_split {
        split_proxies(&mut whole, context);
    }
    Cow::Owned(whole)
}

/// A proxy took it where a hook shows when: then what the proxy does with it begins there.
fn is_taken_at_hook(visit: &Visit) -> bool {
    visit.proxy.is_some() && visit.hook.is_some()
}

/// Gives such a proxy's own time a row of its own, up to what it sends.
fn split_proxies(journey: &mut Journey, context: &Context<'_>) {
    static LABEL: OnceLock<Arc<Label>> = OnceLock::new();
    let label = LABEL.get_or_init(|| Arc::new(Label { en: "{proxy}".to_owned(), zh: "{proxy}".to_owned() }));
    let seen = |visit: &Visit| match visit.state {
        State::Seen { time } => Some(time),
        _ => None,
    };
    let mut index = 0;
    while let Some(at) = journey.request[index..].iter().position(is_taken_at_hook).map(|at| index + at) {
        index = at + 1;
        let mut later = journey.request[index..].iter().chain(&journey.reply);
        let before = later.find_map(seen).unwrap_or(State::OPEN_END);
        let filled = fill_label(&journey.request[at], journey, context).into_owned();
        let taken = &mut journey.request[at];
        taken.label = Arc::new(Label { en: filled.clone(), zh: filled });
        let Some(after) = seen(taken) else { continue };
        let own = Visit {
            stage: Stage { way: Way::Request, number: UNNUMBERED },
            state: State::Bounded { after, before: before.max(after) },
            label: Arc::clone(label),
            hook: None,
            proxy: taken.proxy.take(),
            ..taken.clone()
        };
        journey.request.insert(index, own);
    }
}

fn on_the_way() -> Arc<Label> {
    static LABEL: OnceLock<Arc<Label>> = OnceLock::new();
    Arc::clone(LABEL.get_or_init(|| worded(Word::OnTheWay)))
}

fn worded(word: Word) -> Arc<Label> {
    let text = |language| word.text(language).to_owned();
    Arc::new(Label { en: text(Language::En), zh: text(Language::Zh) })
}

/// `given up: stock-7d9c`.
fn given_up(journey: &Journey, sighting: &Sighting, context: &Context<'_>) -> Arc<Label> {
    let leg = journey.trail.legs.get(usize::from(sighting.leg));
    let server = leg.and_then(|leg| leg.server.or(leg.target));
    let server = server.map_or("?".into(), |end| context.of(journey).short(end));
    let text = |language| format!("{}: {server}", Word::GivenUp.text(language));
    Arc::new(Label { en: text(Language::En), zh: text(Language::Zh) })
}

/// What tells a packet from the others of a trail, wherever it is seen.
type Bytes = (Way, u8, Part, u32);

fn bytes_of(sighting: &Sighting) -> Bytes {
    (sighting.way, sighting.leg, sighting.part, sighting.seq)
}

/// The packets that stages follow.
fn followed(journey: &Journey) -> SmallVec<[Bytes; 4]> {
    let mut followed = SmallVec::new();
    for index in journey.visits().filter_map(|visit| visit.sighting) {
        if let Some(bytes) = journey.trail.sightings.get(index as usize).map(bytes_of)
            && !followed.contains(&bytes)
        {
            followed.push(bytes);
        }
    }
    followed
}

/// Whether the sighting is of a packet that a stage follows, at a place that no stage names.
fn is_point(journey: &Journey, index: u32, sighting: &Sighting, followed: &[Bytes]) -> bool {
    let is_followed = if followed.iter().any(|&(way, leg, ..)| (way, leg) == (sighting.way, sighting.leg)) {
        followed.contains(&bytes_of(sighting))
    } else {
        // A leg of which no place has a number: between two proxies, or of a try that was given up.
        is_of_proxys_leg(journey, sighting)
    };
    let sightings = &journey.trail.sightings;
    let is_there = |visit: &Visit| {
        let seen = visit.sighting.and_then(|seen| sightings.get(seen as usize));
        visit.sighting == Some(index)
            || visit.vantage == Some(sighting.vantage)
                && visit.direction == Some(sighting.direction)
                && visit.stage.way == sighting.way
                && seen.is_none_or(|seen| seen.leg == sighting.leg)
    };
    is_followed && !sighting.is_repeat && !journey.visits().any(is_there)
}

/// Whether it is the packet of its leg that would be followed: the first byte of the request, else the SYN, and
/// what answers it.
fn is_of_proxys_leg(journey: &Journey, sighting: &Sighting) -> bool {
    let of_leg = || journey.trail.sightings.iter().filter(|it| it.leg == sighting.leg);
    let has = |way, part| of_leg().any(|it| (it.way, it.part) == (way, part));
    let asks = if has(Way::Request, Part::Head) { Part::Head } else { Part::Handshake };
    let followed = match sighting.way {
        Way::Request => Some(asks),
        Way::Reply => {
            [asks, Part::Head, Part::Reset, Part::IcmpError].into_iter().find(|&part| has(Way::Reply, part))
        }
    };
    sighting.leg > 0 && followed == Some(sighting.part) && journey.trail.was_tried(sighting.leg)
}

/// Where among the visits of one way a point belongs: behind what was seen, or has happened, earlier; among what is
/// only bounded there, before its own node's stages when it enters the node, and behind them when it leaves.
fn place_of(visits: &[Visit], node: NodeId, direction: Direction, time: Timestamp) -> Option<usize> {
    let is_before = |visit: &Visit| match visit.state {
        State::Seen { time: seen } => seen <= time,
        State::Bounded { before, .. } => before <= time,
        _ => false,
    };
    let is_after = |visit: &Visit| match visit.state {
        State::Bounded { after, .. } => after >= time,
        _ => true,
    };
    let start = visits.iter().rposition(is_before).map_or(0, |last| last + 1);
    let gap = &visits[start..];
    let length = gap.iter().position(is_after).unwrap_or(gap.len());
    let is_own = |visit: &Visit| visit.node == Some(node);
    let offset = match direction {
        Direction::Out => gap[..length].iter().rposition(is_own).map_or(0, |last| last + 1),
        Direction::In | Direction::Unknown => gap[..length].iter().position(is_own).unwrap_or(length),
    };
    (start + offset <= visits.len()).then_some(start + offset)
}

fn point(
    sighting: &Sighting,
    index: u32,
    way: Way,
    node: NodeId,
    time: Timestamp,
    label: Arc<Label>,
) -> Visit {
    Visit {
        stage: Stage { way, number: UNNUMBERED },
        node: Some(node),
        vantage: Some(sighting.vantage),
        direction: Some(sighting.direction),
        state: State::Seen { time },
        label,
        hook: None,
        sighting: Some(index),
        proxy: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;
    use crate::timeline::{Manner, sample};

    /// A way of which stages name only the first capture point and the last.
    fn sparse() -> Journey {
        use Direction::{In, Out};
        use sample::{A, B, BOND_A, BOND_B, CART, STOCK};
        let (client, server) =
            (sample::endpoint("10.244.1.17", 45_720), sample::endpoint("10.244.2.33", 8080));
        let leg = sample::leg(Protocol::Tcp, client, server, server);
        let exchange = sample::http("GET", "/", Some(200));
        sample::Builder::new(1, "test", "other-node", sample::START, leg, exchange)
            .seen(Way::Request, 1, CART, In, 0, "in")
            .bounded(Way::Request, 3, Some(A), "kernel")
            .bounded(Way::Request, 3, Some(B), "kernel")
            .sighting(Way::Request, BOND_A, Out, 40, Part::Head)
            .sighting(Way::Request, BOND_B, In, 90, Part::Head)
            .seen(Way::Request, 4, STOCK, Out, 100, "out")
            .sighting(Way::Request, BOND_A, Out, 400, Part::Body)
            .done(sample::verdict(crate::model::Outcome::Complete, ""))
    }

    #[test]
    fn a_point_stands_where_its_node_is_entered_or_left() {
        sample::with_context(Manner::default(), |context| {
            let journey = sparse();
            let whole = with_points(&journey, context);
            let order: Vec<_> = whole
                .request
                .iter()
                .map(|visit| (visit.stage.number, visit.node.map(|node| node.0)))
                .collect();
            assert_eq!(
                order,
                [(1, Some(0)), (3, Some(0)), (0, Some(0)), (0, Some(1)), (3, Some(1)), (4, Some(1))]
            );
        });
    }

    #[test]
    fn a_journey_without_points_is_left_alone() {
        sample::with_context(Manner::default(), |context| {
            for journey in [sample::other_node(1, sample::START), sample::lost(2, sample::START)] {
                assert!(matches!(with_points(&journey, context), Cow::Borrowed(_)));
            }
        });
    }
}
