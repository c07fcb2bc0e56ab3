//! How a journey ended and, where not well, at which place.
//!
//! Asked in this order, the first that holds decides:
//! 1. an answer or an error says no: NXDOMAIN, a refusal, an unreachable host, a reset;
//! 2. the answer reached the last capture point on its way (a 5xx as well): complete;
//! 3. more may come: open, unless something should have been seen by now (then 4 or 5, until it is sent again);
//! 4. a capture point on the request's way should have shown it: lost there;
//! 5. the answer was seen and then not: lost on its way back;
//! 6. the routes of the node that the request came to let it go no further: lost there;
//! 7. the request arrived, and nothing answered: the answer is lost at the workload, the proxy or the DNS server.
//!
//! So silence is *lost*, a no is *refused*, and an answer that is none is *failed*.

use crate::model::say::say;
use crate::model::{
    Application, Direction, DroppedBy, IcmpReason, NodeId, Outcome, Part, Place, PlaceKind, Protocol, Role,
    Sentence, Sighting, StagePlace, State, Trail, Way,
};
use crate::stages::detail::{self, Teller};
use crate::stages::followed::is_after;
use crate::stages::hooks;
use crate::stages::legs::OneLeg;
use crate::stages::place::World;
use crate::stages::routing;
use crate::stages::template::Spot;
use crate::stages::walk::{Case, Origin, Placed, Rest, Walk, is_over};

pub(super) use crate::model::Verdict;

/// Judges a trail on its route.
pub(super) fn judge(case: &Case<'_>, walk: &Walk<'_>) -> Verdict {
    Judge { case, walk, tell: Teller::new(case, walk) }.judge()
}

/// Judges a trail that fits no path: by what was seen only, as nothing says what should have been.
pub(super) fn judge_unplaced(legs: &[OneLeg<'_>], world: &World<'_>) -> Verdict {
    let Some(OneLeg { trail, pair, .. }) = legs.first() else {
        return Verdict::new(Outcome::Open, say!("nothing was seen of it", "没有观测到任何数据包"));
    };
    match pair.reply.part {
        Some(Part::Reset | Part::IcmpError) if !trail.answer_is_whole => Verdict::new(
            Outcome::Refused,
            say!("an error answered; no path is known for this exchange", "得到的是错误；此交互没有已知路径"),
        ),
        Some(_) => Verdict::new(Outcome::Complete, detail::answered(trail, pair)),
        // It may have been answered where nothing is captured, or need no answer.
        None if is_over(trail, world) => Verdict::new(
            Outcome::Open,
            say!(
                "no answer was seen; no path is known for this exchange",
                "没有观测到应答；此交互没有已知路径"
            ),
        ),
        None => Verdict::new(Outcome::Open, say!("no answer yet", "尚无应答")),
    }
}

/// Whether the reply's visits say anything: not those of a request that was lost on its way.
pub(super) fn has_reply(verdict: &Verdict, walks: &[Walk<'_>]) -> bool {
    let is_lost_request = verdict.outcome == Outcome::Lost && verdict.direction == Some(Way::Request);
    let is_seen = walks.iter().flat_map(Walk::reply).any(|placed| placed.point.is_some());
    let stopped_on_the_way =
        walks.iter().flat_map(Walk::request).any(|placed| placed.state == State::Missing);
    !is_lost_request || is_seen || !stopped_on_the_way
}

/// Whether an ICMP error says that the packet could not be brought on, rather than that it was refused.
pub(super) fn is_lost_by_error(trail: &Trail) -> bool {
    let is_loss = |reason| {
        matches!(reason, IcmpReason::HostUnreachable | IcmpReason::NetUnreachable | IcmpReason::TimeExceeded)
    };
    trail.notices.iter().any(|notice| is_loss(notice.reason))
}

pub(super) fn at(
    outcome: Outcome,
    direction: Way,
    kind: PlaceKind,
    node: Option<NodeId>,
    detail: Sentence,
) -> Verdict {
    let place = Some(Place { kind, node });
    Verdict { direction: Some(direction), place, ..Verdict::new(outcome, detail) }
}

struct Judge<'a, 't> {
    case: &'a Case<'a>,
    walk: &'a Walk<'t>,
    tell: Teller<'a, 't>,
}

impl Judge<'_, '_> {
    fn judge(&self) -> Verdict {
        let verdict = self
            .bad_answer()
            .or_else(|| self.arrived_back())
            .or_else(|| self.open())
            .or_else(|| self.gone())
            .unwrap_or_else(|| self.unanswered());
        self.with_routes(self.with_rule(verdict))
    }

    /// A place is known that the packets did not come past.
    fn gone(&self) -> Option<Verdict> {
        self.dropped().or_else(|| self.lost_request()).or_else(|| self.lost_reply()).or_else(|| self.barred())
    }

    /// The rule that dropped the packets of one way, on `node` or anywhere.
    fn dropped_by(&self, way: Way, node: Option<NodeId>) -> Option<DroppedBy> {
        let of_way = self.trail().traced.iter().filter(|it| it.way == way);
        DroppedBy::of(of_way.filter(|it| node.is_none_or(|node| it.node == node)))
    }

    /// A hook says where the packet was dropped, whatever capture points there are: the answer's way if there is an
    /// answer, else the request's.
    fn dropped(&self) -> Option<Verdict> {
        let way = if self.case.pair.reply.part.is_some() { Way::Reply } else { Way::Request };
        let by = self.dropped_by(way, None)?;
        self.stopped_in(by.node, way)
    }

    /// Nothing is missing, but the routes of the node that the request came to let it go no further.
    fn barred(&self) -> Option<Verdict> {
        let node = self.walk.placed[self.walk.last_request()?].node?;
        routing::of_silence(self.case, node)?;
        self.stopped_in(node, Way::Request)
    }

    /// The packets of one way came to `node`, and no further.
    fn stopped_in(&self, node: NodeId, way: Way) -> Option<Verdict> {
        let steps = match way {
            Way::Request => 0..self.walk.request_len,
            Way::Reply => self.walk.request_len..self.walk.placed.len(),
        };
        let placed = &self.walk.placed;
        let is_seen = |index: &usize| matches!(placed[*index].state, State::Seen { .. });
        let is_there = |index: &usize| placed[*index].node == Some(node) && is_seen(index);
        // The node of a step is not known where nothing was captured on it.
        let seen = steps.clone().rev().find(is_there).or_else(|| steps.clone().rev().find(is_seen))?;
        let is_next = |index: &usize| {
            let step = &placed[*index];
            !matches!(step.state, State::Seen { .. } | State::Skipped) && step.step.spot != Spot::Name
        };
        let next = (seen + 1..steps.end).find(is_next);
        let kind = if self.trail().exchange.application == Application::Dns {
            PlaceKind::Dns
        } else {
            PlaceKind::Host
        };
        let detail = self.tell.stopped(seen, node);
        let mut verdict = at(Outcome::Lost, way, kind, Some(node), detail);
        verdict.after =
            self.visit_of(seen).or_else(|| placed[..seen].iter().rev().find_map(Placed::stage_place));
        verdict.before = next.and_then(|next| placed[next..].iter().find_map(Placed::stage_place));
        Some(verdict)
    }

    /// Names the rule, where the place of the verdict is a node that dropped the packet.
    fn with_rule(&self, mut verdict: Verdict) -> Verdict {
        let node = verdict.place.and_then(|place| place.node);
        let is_bad = matches!(verdict.outcome, Outcome::Lost | Outcome::Refused);
        let way = verdict.direction.filter(|_| is_bad && node.is_some());
        if let Some(by) = way.and_then(|way| self.dropped_by(way, node)) {
            verdict.detail += say!("; {by}", "；{by}"; by = hooks::dropped(&by));
            verdict.dropped_by = Some(Box::new(by));
        }
        verdict
    }

    /// Adds what the routes of the verdict's node say, where no rule is known to have dropped the packet.
    fn with_routes(&self, mut verdict: Verdict) -> Verdict {
        let is_open =
            matches!(verdict.outcome, Outcome::Lost | Outcome::Refused) && verdict.dropped_by.is_none();
        let expected = routing::of_loss(self.case, verdict.place, verdict.direction)
            .or_else(|| routing::of_detour(self.case, verdict.place, verdict.direction));
        if let Some(expected) = expected.filter(|_| is_open) {
            let told = routing::told(expected, self.case.world.topology);
            verdict.detail += say!("; {told}", "；{told}"; told);
            verdict.expected = Some(Box::new(expected.clone()));
        }
        verdict
    }

    fn trail(&self) -> &Trail {
        self.case.trail
    }

    /// The node that serves, by the last step that something ends at.
    fn server_node(&self) -> Option<NodeId> {
        self.end().and_then(|end| self.walk.placed[end].node)
    }

    fn bad_answer(&self) -> Option<Verdict> {
        let reply = self.case.pair.reply.part?;
        match (self.case.pair.request.part, reply) {
            (_, Part::IcmpError) => Some(self.icmp_error()),
            (Some(Part::Head), Part::Reset) => Some(self.reset()),
            (_, Part::Reset) => Some(self.refused(self.tell.reset_to_syn())),
            (Some(Part::Handshake), Part::Handshake) => self.closed_without_a_word(),
            _ => self.bad_name().or_else(|| self.cut_off()),
        }
    }

    /// A lookup with an answer that is none.
    fn bad_name(&self) -> Option<Verdict> {
        let lookup = self.trail().exchange.dns.as_deref()?;
        let rcode = lookup.rcode.filter(|&rcode| rcode != 0)?;
        let detail = detail::bad_name(lookup, rcode);
        Some(at(Outcome::Failed, Way::Reply, PlaceKind::Dns, None, detail))
    }

    /// The server took the connection and reset it before anything was said. A client that resets after a
    /// successful handshake, as health checks do, has what it wanted.
    fn closed_without_a_word(&self) -> Option<Verdict> {
        let sightings = &self.trail().sightings;
        let by_server = sightings.iter().any(|it| it.part == Part::Reset && it.way == Way::Reply);
        let by_client =
            sightings.iter().any(|it| matches!(it.part, Part::Reset | Part::Fin) && it.way == Way::Request);
        (by_server && !by_client).then(|| self.reset())
    }

    /// The answer began, and a reset ended it before it was whole.
    fn cut_off(&self) -> Option<Verdict> {
        let trail = self.trail();
        let has_reset = |way| trail.sightings.iter().any(|it| it.part == Part::Reset && it.way == way);
        let has_fin = trail.sightings.iter().any(|it| it.part == Part::Fin);
        let is_framed = trail.exchange.application == Application::Http;
        if trail.answer_is_whole || has_fin || !is_framed || has_reset(Way::Request) || !has_reset(Way::Reply)
        {
            return None;
        }
        let detail = self.tell.reset_in_answer();
        Some(at(Outcome::Failed, Way::Reply, self.server_kind(), self.server_node(), detail))
    }

    fn icmp_error(&self) -> Verdict {
        if !is_lost_by_error(self.trail()) {
            return self.refused(self.tell.refused_by_icmp());
        }
        let is_loop = self.went_round();
        let (kind, node) = match self.reporter() {
            Some(node) if !is_loop => (PlaceKind::Host, Some(node)),
            _ => (PlaceKind::Fabric, None),
        };
        let mut verdict = at(Outcome::Lost, Way::Request, kind, node, self.tell.unreachable(is_loop));
        self.name_stages(&mut verdict, self.first_missing(0));
        verdict
    }

    /// The request passed a capture point again with a lower TTL: a routing loop.
    fn went_round(&self) -> bool {
        let request = &self.case.pair.request;
        let again = |it: &Sighting| {
            request.points.iter().any(|point| {
                point.vantage == it.vantage && point.direction == it.direction && it.ttl < point.ttl
            })
        };
        let mut copies = self.trail().sightings.iter();
        copies.any(|it| it.way == Way::Request && Some(it.part) == request.part && again(it))
    }

    /// The node that sent an ICMP error, by its address or by where the request stopped; `None` where
    /// something between the nodes sent it.
    fn reporter(&self) -> Option<NodeId> {
        let notice = self.case.notice();
        let known = notice.and_then(|notice| self.case.world.topology.node_addresses.get(&notice.reporter));
        let stopped = self.walk.last_request().map(|last| &self.walk.placed[last]);
        let is_between =
            stopped.is_some_and(|last| last.step.spot == Spot::Point(Role::Uplink, Direction::Out));
        match self.walk.origin {
            _ if known.is_some() => known.copied(),
            _ if is_between => None,
            Origin::Node(node) => Some(node),
            Origin::Server => self.server_node(),
        }
    }

    fn refused(&self, detail: Sentence) -> Verdict {
        let trail = self.trail();
        let serves = |ip| {
            trail.legs.last().is_some_and(|leg| {
                leg.server.is_some_and(|it| it.ip == ip) || leg.target.is_some_and(|it| it.ip == ip)
            })
        };
        let is_icmp = self.case.pair.reply.part == Some(Part::IcmpError);
        let came_from_pod = self.case.pair.reply.first(Role::Workload, Direction::In).is_some();
        let is_another =
            is_icmp && !came_from_pod && self.case.notice().is_some_and(|notice| !serves(notice.reporter));
        match self.walk.origin {
            Origin::Node(node) => at(Outcome::Refused, Way::Request, PlaceKind::Host, Some(node), detail),
            Origin::Server if is_another => {
                at(Outcome::Refused, Way::Request, PlaceKind::Host, self.reporter(), detail)
            }
            Origin::Server => {
                at(Outcome::Refused, Way::Request, self.server_kind(), self.server_node(), detail)
            }
        }
    }

    fn reset(&self) -> Verdict {
        let (kind, node) = match self.walk.origin {
            Origin::Node(node) => (PlaceKind::Host, Some(node)),
            Origin::Server => (self.server_kind(), self.server_node()),
        };
        at(Outcome::Failed, Way::Reply, kind, node, self.tell.reset())
    }

    /// Complete once the answer was seen at the last capture point of its way, or the client acknowledged it.
    fn arrived_back(&self) -> Option<Verdict> {
        if self.case.pair.reply.part.is_none() && self.case.pair.reply_acked.is_none() {
            return None;
        }
        let reply = self.walk.reply();
        let last = reply.iter().rev().find(|placed| placed.is_captured);
        let is_back = match last {
            Some(placed) => placed.point.is_some(),
            None => !self.case.pair.reply.points.is_empty(),
        };
        if !is_back && self.case.pair.reply_acked.is_none() {
            return None;
        }
        self.stalled(Way::Reply)
            .or_else(|| Some(Verdict::new(Outcome::Complete, detail::answered(self.trail(), self.case.pair))))
    }

    fn open(&self) -> Option<Verdict> {
        let gone = match self.walk.rest {
            Rest::Over => return None,
            Rest::Overdue => self.gone(),
            Rest::Coming => self.dropped(),
        };
        Some(gone.unwrap_or_else(|| Verdict::new(Outcome::Open, self.tell.open())))
    }

    fn lost_request(&self) -> Option<Verdict> {
        let missing = self.first_missing(0).filter(|&missing| missing < self.walk.request_len)?;
        Some(self.lost(Way::Request, missing))
    }

    fn lost_reply(&self) -> Option<Verdict> {
        let seen = self.walk.reply().iter().rposition(|placed| placed.point.is_some())?;
        let missing = self.first_missing(self.walk.request_len + seen)?;
        Some(self.lost(Way::Reply, missing))
    }

    /// Nothing is missing on the request's way, and no answer was seen.
    fn unanswered(&self) -> Verdict {
        if let Some(verdict) = self.stalled(Way::Request) {
            return verdict;
        }
        if self.has_arrived() {
            let detail = self.tell.unanswered(self.end());
            let mut verdict = at(Outcome::Lost, Way::Reply, self.server_kind(), self.server_node(), detail);
            self.name_stages(&mut verdict, self.first_missing(self.walk.request_len));
            return verdict;
        }
        match self.first_missing(self.walk.request_len) {
            Some(missing) => self.lost(Way::Request, missing),
            None => Verdict::new(Outcome::Open, self.tell.unknowable()),
        }
    }

    /// The step that takes the packet.
    fn end(&self) -> Option<usize> {
        self.walk.request().iter().position(|placed| placed.step.spot.is_end())
    }

    /// Whether the request went where it is taken: the capture point before that has it, or it was acknowledged.
    fn has_arrived(&self) -> bool {
        let Some(end) = self.end() else { return false };
        let mut points = self.walk.request()[..end].iter().rev();
        let before = points.find(|placed| matches!(placed.step.spot, Spot::Point(..)));
        self.case.pair.request_acked || before.is_some_and(|placed| placed.point.is_some())
    }

    fn server_kind(&self) -> PlaceKind {
        match self.end().map(|end| self.walk.placed[end].step.spot) {
            _ if self.trail().exchange.application == Application::Dns => PlaceKind::Dns,
            Some(Spot::Proxy) => PlaceKind::Proxy,
            _ => PlaceKind::Workload,
        }
    }

    fn first_missing(&self, from: usize) -> Option<usize> {
        let is_missing = |placed: &Placed<'_>| placed.state == State::Missing && placed.is_captured;
        self.walk.placed[from..].iter().position(is_missing).map(|index| from + index)
    }

    fn lost(&self, way: Way, missing: usize) -> Verdict {
        let seen = self.walk.placed[..missing].iter().rposition(|placed| placed.point.is_some());
        let place = seen.and_then(|seen| place_between(&self.walk.placed[seen], &self.walk.placed[missing]));
        // A lookup without an answer is the name service's fault to its client, wherever its packet stopped.
        let place = match self.trail().exchange.application {
            Application::Dns => {
                Some(Place { kind: PlaceKind::Dns, node: place.and_then(|place| place.node) })
            }
            _ => place,
        };
        let detail = self.tell.lost(seen, missing, place);
        let mut verdict = Verdict { direction: Some(way), place, ..Verdict::new(Outcome::Lost, detail) };
        self.name_stages(&mut verdict, Some(missing));
        verdict
    }

    /// Names the stages around the gap. A capture point without a number is named by its node's visit beside it.
    fn name_stages(&self, verdict: &mut Verdict, missing: Option<usize>) {
        let placed = &self.walk.placed;
        let limit = missing.unwrap_or(self.walk.request_len);
        let Some(seen) = placed[..limit].iter().rposition(|placed| placed.point.is_some()) else { return };
        let after = (0..=seen).rev().find_map(|index| placed[index].stage_place());
        verdict.after = self.visit_of(seen).or(after);
        verdict.before = missing.and_then(|missing| {
            self.visit_of(missing).or_else(|| placed[missing..].iter().find_map(Placed::stage_place))
        });
    }

    /// The visit of a capture point, which may be its node's visit beside it.
    fn visit_of(&self, index: usize) -> Option<StagePlace> {
        let placed = &self.walk.placed;
        placed[index].stage_place().or_else(|| {
            let beside = [index.checked_sub(1), Some(index + 1)].into_iter().flatten();
            let mut own = beside
                .filter_map(|beside| placed.get(beside))
                .filter(|visit| visit.step.node == placed[index].step.node && !visit.step.spot.is_end());
            own.find_map(Placed::stage_place)
        })
    }

    /// The first byte arrived and later ones did not: where they stop, once nothing more can come.
    fn stalled(&self, way: Way) -> Option<Verdict> {
        let trail = self.trail();
        let is_tcp = trail.legs.first().is_some_and(|leg| leg.protocol == Protocol::Tcp);
        if self.walk.rest != Rest::Over || trail.answer_is_whole || trail.left_out > 0 || !is_tcp {
            return None;
        }
        let steps = if way == Way::Request {
            0..self.walk.request_len
        } else {
            self.walk.request_len..self.walk.placed.len()
        };
        let mut before: Option<(usize, u32)> = None;
        for index in steps {
            let Some(end) = self.last_byte(index, way) else { continue };
            if let Some((seen, reached)) = before
                && is_after(reached, end)
                && !self.is_acknowledged(way, reached)
            {
                return Some(self.stalled_between(way, seen, index));
            }
            before = Some((index, end));
        }
        None
    }

    fn stalled_between(&self, way: Way, seen: usize, missing: usize) -> Verdict {
        let placed = &self.walk.placed;
        Verdict {
            direction: Some(way),
            after: self.visit_of(seen),
            before: self.visit_of(missing),
            place: place_between(&placed[seen], &placed[missing]),
            ..Verdict::new(Outcome::Lost, self.tell.stalled(way, seen, missing))
        }
    }

    /// The end of the furthest payload seen at a step's capture point.
    fn last_byte(&self, index: usize, way: Way) -> Option<u32> {
        let point = self.walk.placed[index].point?;
        let here = self.trail().sightings.iter().filter(|it| {
            it.way == way && it.vantage == point.vantage && it.direction == point.direction && it.len > 0
        });
        let ends = here.map(|it| it.seq.wrapping_add(it.len));
        ends.reduce(|furthest, end| if is_after(end, furthest) { end } else { furthest })
    }

    fn is_acknowledged(&self, way: Way, reached: u32) -> bool {
        let mut others = self.trail().sightings.iter().filter(|it| it.way != way && it.flags & 16 != 0);
        others.any(|it| !is_after(reached, it.ack))
    }
}

/// What lies between two capture points; `None` where that cannot be told.
fn place_between(seen: &Placed<'_>, missing: &Placed<'_>) -> Option<Place> {
    let is_uplink = |placed: &Placed<'_>, direction| placed.step.spot == Spot::Point(Role::Uplink, direction);
    let is_same_node = seen.node == missing.node;
    let left = is_uplink(seen, Direction::Out);
    if left || is_uplink(missing, Direction::In) && !is_same_node {
        return Some(Place { kind: PlaceKind::Fabric, node: None });
    }
    // A request that went into a node and an answer that never came out of it have the node between them; a
    // request that came out of a pod and an answer that never came back may have anything between them.
    let tells = seen.way == missing.way || is_uplink(seen, Direction::In);
    (is_same_node && tells).then_some(Place { kind: PlaceKind::Host, node: seen.node })
}
