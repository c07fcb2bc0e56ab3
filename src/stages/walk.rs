//! Lays the sightings on a route's steps and says what became of each.
//!
//! 1. A step where the packet was captured is *seen*.
//! 2. What lies before a later sighting happened, also where the answer is that sighting: *bounded* by its
//!    neighbours in time, if it lies between two and one of them is on its node.
//! 3. What is not proven: a capture point that should have shown it is *waiting*, and *missing* once the
//!    deadline is over; what no capture point can show is *outside*.
//! 4. Where a node refused the packet itself, the rest of the way is *skipped*.

use smallvec::SmallVec;

use crate::model::{
    Direction, Hook, IcmpNotice, NodeId, Part, Phase, Protocol, Resolution, Role, StagePlace, State,
    Timestamp, Trail, VantageId, Way,
};
use crate::stages::facts::Nodes;
use crate::stages::followed::{Followed, Pair, Point};
use crate::stages::hooks;
use crate::stages::place::World;
use crate::stages::template::{Letter, Route, Spot, Step};

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody yet, or the server, or something behind all capture points.
    Server,
    /// The node where the request stopped.
    Node(NodeId),
}

/// A step of the route, and what became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'t> {
    pub(super) step: &'t Step,
    pub(super) way: Way,
    pub(super) node: Option<NodeId>,
    /// The sighting there.
    pub(super) point: Option<Point>,
    pub(super) vantage: Option<VantageId>,
    /// The hook that shows it.
    pub(super) hook: Option<Hook>,
    /// Whether a capture point could show it.
    pub(super) is_captured: bool,
    /// The leg does not come by here: by an uplink where it stays within a node, by the loopback where it does not.
    pub(super) is_passed_over: bool,
    pub(super) state: State,
    later: Option<Anchor>,
}

/// A time on the path that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    time: Timestamp,
    node: Option<NodeId>,
}

/// What the legs beside it say of a leg: a proxy took what came in before what went out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Neighbours {
    /// The request's last sighting on the leg before.
    pub(super) came_in: Option<Anchor>,
    /// The request's first sighting on the leg behind.
    pub(super) went_on: Option<Anchor>,
    /// There is a leg behind, so that the request arrived.
    pub(super) is_handed_on: bool,
    /// The answer's last sighting on the leg behind.
    pub(super) came_back: Option<Anchor>,
    /// The answer's first sighting on the leg before.
    pub(super) was_passed_on: Option<Anchor>,
}

/// A leg on its route: the request's steps, then the reply's.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    pub(super) placed: SmallVec<[Placed<'t>; 32]>,
    pub(super) request_len: usize,
    pub(super) origin: Origin,
    pub(super) rest: Rest,
    beside: Neighbours,
}

/// What is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// May come.
    Coming,
    /// Of what was seen to set out, it should be here by now; it may be sent again, and a server may take its time.
    Overdue,
    /// Cannot come any more.
    Over,
}

/// What placing needs to know of a leg.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    /// The leg as a trail of its own.
    pub(super) trail: &'a Trail,
    pub(super) world: &'a World<'a>,
    pub(super) pair: &'a Pair,
    pub(super) nodes: Nodes,
}

/// Whether the time for what is still waited for is over.
pub(super) fn is_over(trail: &Trail, world: &World<'_>) -> bool {
    match trail.phase {
        Phase::TimedOut | Phase::Answered => true,
        Phase::Cut => is_due(trail, world),
        Phase::Open | Phase::Evicted => false,
    }
}

/// Whether the deadline is over by which what set out last should have come to its next point.
fn is_due(trail: &Trail, world: &World<'_>) -> bool {
    trail.sightings.first().is_some_and(|first| {
        let node = world.topology.vantage(first.vantage).node;
        world.now >= world.clocks.align(node, trail.deadline)
    })
}

impl Case<'_> {
    /// The reply is an error, which something on the way may have sent as well as the server.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.pair.reply.part, Some(Part::Reset | Part::IcmpError))
    }

    /// The ICMP error that counts: the one from a node's own address, as a translation on its way back may
    /// have put another in its place.
    pub(super) fn notice(&self) -> Option<&IcmpNotice> {
        let notices = &self.trail.notices;
        let is_known =
            |notice: &&IcmpNotice| self.world.topology.node_addresses.contains_key(&notice.reporter);
        notices.iter().find(is_known).or_else(|| notices.first())
    }

    fn rest(&self) -> Rest {
        match is_due(self.trail, self.world) {
            _ if is_over(self.trail, self.world) => Rest::Over,
            true if self.is_unanswered_syn() => Rest::Over,
            true => Rest::Overdue,
            false => Rest::Coming,
        }
    }

    /// A SYN is answered by the kernel, at once.
    fn is_unanswered_syn(&self) -> bool {
        let is_tcp = self.trail.legs.first().is_some_and(|leg| leg.protocol == Protocol::Tcp);
        is_tcp && self.pair.request.part == Some(Part::Handshake) && self.pair.reply.part.is_none()
    }

    fn followed(&self, way: Way) -> &Followed {
        match way {
            Way::Request => &self.pair.request,
            Way::Reply => &self.pair.reply,
        }
    }
}

impl<'t> Walk<'t> {
    /// Lays a leg's sightings on the steps of the leg `of_route` of `route`.
    pub(super) fn new(case: &Case<'_>, route: &'t Route, of_route: u8) -> Walk<'t> {
        let mut walk = Walk {
            placed: SmallVec::new(),
            request_len: 0,
            origin: Origin::Server,
            rest: case.rest(),
            beside: Neighbours::default(),
        };
        let (request, reply) = route.steps(of_route);
        walk.lay(case, request, Way::Request);
        walk.request_len = walk.placed.len();
        walk.lay(case, reply, Way::Reply);
        let (request, reply) = walk.placed.split_at_mut(walk.request_len);
        hooks::show(request, case);
        hooks::show(reply, case);
        walk
    }

    /// Says what became of each step, now that the legs beside it are known.
    pub(super) fn settle(&mut self, case: &Case<'_>, beside: Neighbours) {
        self.beside = beside;
        self.origin = self.find_origin(case);
        self.anchor(case);
        self.judge_steps(case);
        self.lend_to_neighbours();
    }

    /// The first and the last sighting of one way.
    pub(super) fn ends_of(&self, way: Way) -> (Option<Anchor>, Option<Anchor>) {
        let steps = if way == Way::Request { self.request() } else { self.reply() };
        (steps.iter().find_map(Placed::anchor), steps.iter().rev().find_map(Placed::anchor))
    }

    /// Adds the steps of one way with their sightings.
    fn lay(&mut self, case: &Case<'_>, steps: &'t [Step], way: Way) {
        for step in steps {
            let node = step.node.and_then(|letter| case.nodes.get(letter));
            let mut placed = Placed {
                step,
                way,
                node,
                point: None,
                vantage: None,
                hook: None,
                is_captured: false,
                is_passed_over: false,
                state: State::Outside,
                later: None,
            };
            match (step.spot, &case.trail.resolution) {
                (Spot::Name | Spot::DnsQuery | Spot::DnsAnswer, None) => continue,
                (Spot::Name | Spot::DnsQuery | Spot::DnsAnswer, Some(resolution)) => {
                    placed.look_up(resolution, case.world);
                }
                (Spot::Point(role, direction), _) => placed.find(case, role, direction),
                (Spot::Exit, _) => placed.is_captured = is_captured_all_round(case.world, node),
                _ => {}
            }
            let is_there = match step.spot {
                Spot::Point(Role::Uplink, _) => !case.nodes.is_within_one(),
                Spot::Point(Role::Loopback, _) => case.nodes.is_within_one(),
                _ => true,
            };
            if !is_there && placed.point.is_none() {
                (placed.is_passed_over, placed.is_captured) = (true, false);
                placed.state = State::Skipped;
            }
            self.placed.push(placed);
        }
    }

    pub(super) fn request(&self) -> &[Placed<'t>] {
        &self.placed[..self.request_len]
    }

    pub(super) fn reply(&self) -> &[Placed<'t>] {
        &self.placed[self.request_len..]
    }

    /// The last request step where the packet itself was seen.
    pub(super) fn last_request(&self) -> Option<usize> {
        self.request().iter().rposition(|placed| placed.point.is_some())
    }

    /// The first and the last reply step with a sighting.
    fn reply_range(&self) -> Option<(usize, usize)> {
        let first = self.reply().iter().position(|placed| placed.point.is_some())?;
        let last = self.reply().iter().rposition(|placed| placed.point.is_some())?;
        Some((self.request_len + first, self.request_len + last))
    }

    /// An error came from the node itself if a capture point ahead of the request should have shown it and
    /// did not, and none shows the error coming out of the pod.
    fn find_origin(&self, case: &Case<'_>) -> Origin {
        let came_from_pod = case.pair.reply.first(Role::Workload, Direction::In).is_some();
        if !case.is_refusal() || came_from_pod {
            return Origin::Server;
        }
        let ahead = self.last_request().map_or(0, |last| last + 1);
        let stopped =
            self.request()[ahead..].iter().any(|placed| placed.is_captured && placed.point.is_none());
        // The error's first sighting tells the node; its steps are in order.
        let first = self.reply_range().and_then(|(first, _)| self.placed[first].node);
        let last_seen = self.last_request().and_then(|last| self.placed[last].node);
        match first.or(last_seen) {
            Some(node) if stopped => Origin::Node(node),
            _ => Origin::Server,
        }
    }

    /// Gives each step the next time known after it; the last is when the client showed that it has the answer.
    fn anchor(&mut self, case: &Case<'_>) {
        let client = case.nodes.get(Letter::A);
        let acked = case.pair.reply_acked.map(|time| Anchor { time, node: client });
        let mut later = self.beside.was_passed_on.or(acked);
        for (index, placed) in self.placed.iter_mut().enumerate().rev() {
            if index + 1 == self.request_len {
                later = self.beside.went_on.or(later);
            }
            placed.later = later;
            later = placed.anchor().or(later);
        }
    }

    /// How far each way is proven, as an exclusive index.
    fn proven(&self, case: &Case<'_>) -> (usize, usize) {
        let reply = self.reply_range();
        let is_answered = reply.is_some() && self.origin == Origin::Server;
        let has_arrived = is_answered || case.pair.request_acked || case.pair.reply_acked.is_some();
        let request = if has_arrived || self.beside.is_handed_on {
            self.request_len
        } else {
            self.last_request().map_or(0, |last| last + 1)
        };
        // Behind the last capture point of the reply nothing could show that it stopped.
        let is_last = |last: usize| {
            let ahead = &self.placed[last + 1..];
            !ahead.iter().any(|placed| matches!(placed.step.spot, Spot::Point(..)))
        };
        // What came back to a proxy and went on from the next has passed between them.
        let was_passed_on = self.beside.came_back.is_some() && self.beside.was_passed_on.is_some();
        let reply = match reply {
            _ if case.pair.reply_acked.is_some() || was_passed_on => self.placed.len(),
            Some((_, last)) if is_last(last) => self.placed.len(),
            Some((_, last)) => last + 1,
            None => self.request_len,
        };
        (request, reply)
    }

    fn judge_steps(&mut self, case: &Case<'_>) {
        let (request_proven, reply_proven) = self.proven(case);
        let reply_begins = self.reply_range().map_or(self.placed.len(), |(first, _)| first);
        let refused_by_node = matches!(self.origin, Origin::Node(_));
        let lost_by_error = super::verdict::is_lost_by_error(case.trail);
        let mut earlier = self.beside.came_in;
        let mut behind = None;
        let mut begins_here = true;
        for index in 0..self.placed.len() {
            let is_request = index < self.request_len;
            if index == self.request_len {
                earlier = self.beside.came_back.or(earlier);
            }
            if self.placed[index].is_passed_over {
                continue;
            }
            let is_proven = index < if is_request { request_proven } else { reply_proven };
            let in_refused_part = refused_by_node
                && if is_request { !is_proven && !lost_by_error } else { index < reply_begins };
            let view = View {
                earlier,
                behind,
                begins_here,
                is_proven,
                rest: match self.rest {
                    _ if is_request && case.pair.reply.part.is_some() => Rest::Over,
                    // Nothing of it has set out.
                    Rest::Overdue if !is_request && case.pair.reply.part.is_none() => Rest::Coming,
                    rest => rest,
                },
                acked: case.pair.reply_acked,
                passed_on: self.beside.was_passed_on,
            };
            let placed = &mut self.placed[index];
            if let Some(anchor) = placed.anchor() {
                earlier = Some(anchor);
            } else if in_refused_part && placed.step.spot != Spot::Outside {
                placed.state = State::Skipped;
            } else {
                placed.state = view.state(placed);
            }
            if let spot @ Spot::Point(..) = placed.step.spot {
                behind = placed.point.map(|_| spot);
                begins_here = false;
            }
        }
    }

    /// A capture point without a number belongs to the visit beside it on its node, which is as missing as it.
    fn lend_to_neighbours(&mut self) {
        for index in 0..self.placed.len() {
            let point = self.placed[index];
            let is_lent = matches!(point.state, State::Missing | State::Waiting);
            if point.step.stage.is_some() || !is_lent {
                continue;
            }
            for beside in [index.wrapping_sub(1), index + 1] {
                let Some(visit) = self.placed.get_mut(beside) else { continue };
                let is_its_own = visit.step.node == point.step.node && visit.way == point.way;
                if is_its_own && !visit.step.spot.is_end() && !matches!(visit.step.spot, Spot::Point(..)) {
                    visit.state = point.state;
                }
            }
        }
    }
}

impl Placed<'_> {
    /// Its stage and node, where it is a visit.
    pub(super) fn stage_place(&self) -> Option<StagePlace> {
        self.step.stage.as_ref().map(|stage| StagePlace { stage: stage.stage, node: self.node })
    }

    fn anchor(&self) -> Option<Anchor> {
        match self.state {
            State::Seen { time } => Some(Anchor { time, node: self.node }),
            _ => None,
        }
    }

    /// ① is when the client first asked for the name; ② and ③ are the lookup's own query and answer.
    fn look_up(&mut self, resolution: &Resolution, world: &World<'_>) {
        let (sighting, time) = match self.step.spot {
            Spot::DnsAnswer => (&resolution.answer, resolution.answer.time),
            Spot::DnsQuery => (&resolution.query, resolution.query.time),
            _ => (&resolution.query, resolution.first_try),
        };
        let node = world.topology.vantage(sighting.vantage).node;
        self.node = Some(node);
        self.state = State::Seen { time: world.clocks.align(node, time) };
        if self.step.spot != Spot::Name {
            self.vantage = Some(sighting.vantage);
        }
    }

    /// Finds the packet's sighting at this capture point, or else the capture point that should have one.
    fn find(&mut self, case: &Case<'_>, role: Role, direction: Direction) {
        let Some(node) = self.node else { return };
        if let Some(point) = case.followed(self.way).on(node, role, direction) {
            self.point = Some(point);
            self.vantage = Some(point.vantage);
            self.is_captured = true;
            self.state = State::Seen { time: point.time };
        } else if role == Role::Workload {
            self.find_cali(case, node, direction);
        } else {
            let vantages = &case.world.topology.vantages;
            let uplink = vantages.iter().position(|vantage| vantage.node == node && vantage.role == role);
            self.vantage = uplink.map(|index| VantageId(index as u16));
            self.is_captured = uplink.is_some();
        }
    }

    /// Whether a cali that did not show the packet could have: its pod is known there, or the node captures
    /// cali interfaces and nothing of the pod passed by without one.
    fn find_cali(&mut self, case: &Case<'_>, node: NodeId, direction: Direction) {
        let topology = case.world.topology;
        let Some(leg) = case.trail.legs.first() else { return };
        let is_client =
            matches!((self.way, direction), (Way::Request, Direction::In) | (Way::Reply, Direction::Out));
        let ip = if is_client { Some(leg.client.ip) } else { leg.server.map(|server| server.ip) };
        let known = ip.and_then(|ip| topology.pods.get(&ip)).copied();
        let known = known.filter(|&vantage| topology.vantage(vantage).node == node);
        let sent = case.followed(if is_client { Way::Request } else { Way::Reply });
        let can_tell = is_client || !case.is_refusal();
        let passed_by = || {
            let went_on = sent.passed(node, Role::Uplink, Direction::Out)
                || sent.passed(node, Role::Workload, Direction::Out);
            went_on && !sent.passed(node, Role::Workload, Direction::In)
        };
        self.vantage =
            known.or_else(|| case.pair.neighbour.filter(|&(at, _)| at == node && !is_client).map(|it| it.1));
        self.is_captured =
            self.vantage.is_some() || (topology.captures(node, Role::Workload) && !(can_tell && passed_by()));
    }
}

fn is_captured_all_round(world: &World<'_>, node: Option<NodeId>) -> bool {
    node.is_some_and(|node| {
        world.topology.captures(node, Role::Uplink) && world.topology.captures(node, Role::Workload)
    })
}

/// What is known around a step without a sighting.
struct View {
    earlier: Option<Anchor>,
    /// The capture point before it on the route, if it has the packet.
    behind: Option<Spot>,
    /// The route has no capture point before it.
    begins_here: bool,
    is_proven: bool,
    rest: Rest,
    /// When the client is known to have the answer.
    acked: Option<Timestamp>,
    /// Where a proxy passed the answer on.
    passed_on: Option<Anchor>,
}

impl View {
    fn state(&self, placed: &Placed<'_>) -> State {
        match placed.step.spot {
            Spot::Skipped => State::Skipped,
            Spot::Outside => State::Outside,
            spot if spot.is_end() => self.end(placed),
            Spot::Point(..) | Spot::Exit => self.point(placed),
            _ => self.between(placed),
        }
    }

    /// A capture point that does not have the packet.
    fn point(&self, placed: &Placed<'_>) -> State {
        let is_fabric_entry = self.behind == Some(Spot::Point(Role::Uplink, Direction::Out))
            && placed.step.spot == Spot::Point(Role::Uplink, Direction::In);
        match (self.is_proven, placed.is_captured) {
            (true, true) => self.bounded(placed),
            (true, false) if is_fabric_entry && placed.later.is_some() => self.bounded(placed),
            (false, true) => self.absent(),
            (_, false) => State::Outside,
        }
    }

    /// A place in the network stack or between nodes.
    fn between(&self, placed: &Placed<'_>) -> State {
        let is_on_node = |anchor: Option<Anchor>| anchor.is_some_and(|anchor| anchor.node == placed.node);
        let is_local =
            placed.step.spot == Spot::Fabric || is_on_node(self.earlier) || is_on_node(placed.later);
        match (self.is_proven, placed.node) {
            (true, _) if is_local => self.bounded(placed),
            (false, Some(_)) if self.rest == Rest::Coming => State::Waiting,
            _ => State::Outside,
        }
    }

    /// Where the packet is taken. Once it was seen going there nothing can stop it, so it is bounded from one
    /// side at least.
    fn end(&self, placed: &Placed<'_>) -> State {
        let Some(after) = self.earlier.map(|anchor| anchor.time).filter(|_| self.behind.is_some()) else {
            return self.between(placed);
        };
        let known = match placed.way {
            Way::Request => placed.later.filter(|_| self.is_proven).map(|anchor| anchor.time),
            Way::Reply => self.passed_on.map(|anchor| anchor.time).or(self.acked),
        };
        match (placed.way, known) {
            (_, Some(before)) => State::Bounded { after, before: before.max(after) },
            (Way::Request, None) if self.rest != Rest::Over => State::Waiting,
            _ => State::Bounded { after, before: State::OPEN_END },
        }
    }

    /// Between its neighbours in time; alignment may put the later one first, which is then no time at all.
    /// Beside a process of the node one neighbour is all there can be.
    fn bounded(&self, placed: &Placed<'_>) -> State {
        let (after, before) = match (self.earlier, placed.later) {
            (Some(earlier), Some(later)) => (earlier.time, later.time),
            (Some(earlier), None) => (earlier.time, State::OPEN_END),
            (None, Some(later)) if self.begins_here && placed.node.is_some() => {
                (State::OPEN_START, later.time)
            }
            _ => return State::Outside,
        };
        State::Bounded { after, before: before.max(after) }
    }

    fn absent(&self) -> State {
        if self.rest == Rest::Coming { State::Waiting } else { State::Missing }
    }
}
