//! What the verdicts of all legs come to.
//!
//! The deepest leg that did not end well is the cause; what came of it on the legs before it is told with it. Where
//! all ended well and the last one ends at a proxy, that proxy has answered by itself: a judgement that needs its
//! node to be captured, so that a leg onward would have been seen.

use smallvec::SmallVec;

use crate::model::{
    DroppedBy, Hop, NodeId, Outcome, Part, Place, PlaceKind, Proxy, Role, State, Trail, Verdict, Way,
};
use crate::stages::course::Course;
use crate::stages::verdict::{at, plain};
use crate::stages::walk::Placed;

/// All legs with their verdicts; the client's first.
pub(super) struct Conclusion<'a, 'c> {
    pub(super) course: &'c Course<'a>,
    pub(super) verdicts: SmallVec<[Verdict; 1]>,
}

impl Conclusion<'_, '_> {
    pub(super) fn verdict(mut self) -> Verdict {
        let bad = self.verdicts.iter().rposition(|verdict| verdict.outcome != Outcome::Complete);
        let verdict = match bad {
            None => self.of_answers(),
            Some(leg) => self.dropped_behind(self.last()).or_else(|| self.of_cause(leg)),
        };
        let mut verdict = verdict.unwrap_or_else(|| self.verdicts.swap_remove(0));
        verdict.detail.extend(self.given_up());
        if verdict.dropped_by.is_none() && verdict.outcome != Outcome::Complete {
            verdict.dropped_by = self.dropped_tries().map(Box::new);
        }
        verdict
    }

    /// The status that the client got.
    fn status(&self) -> Option<u16> {
        self.course.trail.exchange.status
    }

    fn last(&self) -> usize {
        self.verdicts.len() - 1
    }

    /// `Traefik on kappa2`: the proxy that takes the request of a leg.
    fn proxy_after(&self, leg: usize) -> String {
        self.named(self.course.proxy(leg, Way::Request).kind, self.node_after(leg))
    }

    fn named(&self, kind: Proxy, node: Option<NodeId>) -> String {
        let name = match kind {
            Proxy::Haproxy => "HAProxy",
            Proxy::Traefik => "Traefik",
            Proxy::Unknown => "the proxy",
        };
        match node {
            Some(node) => format!("{name} on {}", self.course.world.topology.node_name(node)),
            None => name.to_owned(),
        }
    }

    /// The node of the proxy that takes the request of a leg.
    fn node_after(&self, leg: usize) -> Option<NodeId> {
        let end = self.course.walks[leg].request().iter().find(|placed| placed.step.spot.is_end());
        end.and_then(|end| end.node)
    }

    /// Every leg was answered.
    fn of_answers(&self) -> Option<Verdict> {
        let (last, status) = (self.last(), self.status());
        if self.course.facts.ends_at_proxy {
            return self.by_itself(last, status?);
        }
        let served = self.course.legs[last].trail.exchange.status;
        match (status, served) {
            // The proxy did not like the answer it got.
            (Some(status), Some(served)) if status >= 500 && served < 500 && last > 0 => {
                let detail = format!(
                    "{} answered {status}, though the server behind it answered {served}",
                    self.proxy_after(0)
                );
                Some(at(Outcome::Failed, Way::Reply, PlaceKind::Proxy, self.node_after(last - 1), detail))
            }
            _ => None,
        }
    }

    /// The proxy at the end of `leg` answered, and sent nothing on as far as was seen.
    fn by_itself(&self, leg: usize, status: u16) -> Option<Verdict> {
        let node = self.node_after(leg);
        let proxy = self.proxy_after(leg);
        let method = self.course.trail.exchange.method.as_deref().unwrap_or("request");
        if !node.is_some_and(|node| self.would_show_more(node)) {
            let detail = format!(
                "{method} answered with {status}; whether {proxy} or a server behind it did is not captured"
            );
            return (status >= 400).then(|| plain(Outcome::Complete, detail));
        }
        Some(match status {
            400.. => {
                let why = reason(status).map(|why| format!(" ({why})")).unwrap_or_default();
                let detail =
                    format!("{proxy} answered {status} by itself{why}; nothing was seen going to a server");
                let mut verdict = at(Outcome::Failed, Way::Request, PlaceKind::Proxy, node, detail);
                self.name_unseen_drop(&mut verdict, node);
                verdict
            }
            300..400 => plain(
                Outcome::Complete,
                format!("{method} answered with {status}: {proxy} redirects by itself"),
            ),
            // A page of its own, or an answer whose leg was not recognised.
            _ => return None,
        })
    }

    /// Whether a connection of a process on `node` would have been seen: to pods of the node and to other nodes.
    fn would_show_more(&self, node: NodeId) -> bool {
        let world = self.course.world;
        let captures = |role| world.topology.captures(node, role);
        captures(Role::Uplink) && captures(Role::Workload) && !world.lossy_nodes.contains(&node)
    }

    /// The leg at `cause` is the deepest that did not end well.
    fn of_cause(&self, cause: usize) -> Option<Verdict> {
        let verdict = &self.verdicts[cause];
        let is_answered = self.verdicts[0].outcome == Outcome::Complete;
        let is_whole = self.course.trail.answer_is_whole;
        let is_served = is_answered && is_whole && self.status().is_some_and(|status| status < 400);
        // An answer that broke off is the client's too, however it was ended there.
        let broke_off = self.course.legs[cause].pair.reply.part == Some(Part::Head);
        if cause > 0 && is_served && !broke_off {
            return None;
        }
        if let Some(verdict) = self.took_it(cause) {
            return Some(verdict);
        }
        if let Some(verdict) = self.kept_answer(cause) {
            return Some(verdict);
        }
        let mut verdict = verdict.clone();
        // What left the proxy without a number of its own is behind the answer's visit there.
        let behind = self.course.walks.get(cause + 1).filter(|_| verdict.direction == Some(Way::Reply));
        if let Some((walk, after)) =
            behind.zip(verdict.after).filter(|(_, after)| after.stage.way == Way::Request)
        {
            verdict.after = walk.reply().iter().rev().find_map(Placed::stage_place).or(Some(after));
        }
        if cause == 0 {
            return Some(verdict);
        }
        self.name_stages(cause, &mut verdict);
        match verdict.outcome {
            // Another server may be tried.
            Outcome::Refused if self.verdicts[0].outcome == Outcome::Open => {
                return Some(plain(Outcome::Open, verdict.detail));
            }
            Outcome::Open if is_answered => self.was_too_slow(cause, &mut verdict),
            // To the client it is a request that failed, whether it is told so or not.
            Outcome::Refused => verdict.outcome = Outcome::Failed,
            _ => {}
        }
        verdict.detail += &self.consequence();
        Some(verdict)
    }

    fn is_at_end(&self, leg: usize) -> bool {
        leg == self.last() && self.course.facts.ends_at_proxy
    }

    /// Where the leg at `cause` has no number around the gap, the legs before it have.
    fn name_stages(&self, cause: usize, verdict: &mut Verdict) {
        if verdict.outcome != Outcome::Lost {
            return;
        }
        let before = || self.course.walks[..cause].iter().rev();
        let proxy = || before().find_map(|walk| walk.request().iter().rev().find_map(Placed::stage_place));
        verdict.after = verdict.after.or_else(proxy);
        let is_missing = |placed: &&Placed<'_>| placed.state == State::Missing && placed.is_captured;
        let answer =
            || before().find_map(|walk| walk.reply().iter().filter(is_missing).find_map(Placed::stage_place));
        verdict.before = verdict.before.or_else(answer);
    }

    /// The last proxy has the request, and nothing came of it.
    fn took_it(&self, leg: usize) -> Option<Verdict> {
        let verdict = &self.verdicts[leg];
        let is_its = verdict.outcome == Outcome::Lost
            && verdict.place.is_some_and(|place| place.kind == PlaceKind::Proxy);
        if !is_its || !self.is_at_end(leg) {
            return None;
        }
        let node = self.node_after(leg);
        let proxy = self.proxy_after(leg);
        // Where a leg onward would have been seen, it is the request that went no further.
        let (direction, rest) = if node.is_some_and(|node| self.would_show_more(node)) {
            (Way::Request, "nothing left the node after it, neither to a server nor back")
        } else {
            (Way::Reply, "no answer came; whether it sent the request on is not captured")
        };
        let mut verdict = verdict.clone();
        self.name_stages(leg, &mut verdict);
        verdict.direction = Some(direction);
        verdict.detail = format!("{proxy} took the request, and {rest}{}", self.consequence());
        Some(verdict)
    }

    /// What the last proxy sent on was dropped on its own node, before any capture point: only tracing shows it.
    fn dropped_behind(&self, leg: usize) -> Option<Verdict> {
        let node = self.node_after(leg).filter(|_| self.is_at_end(leg))?;
        let placed = self.course.walks[leg].request();
        let end = placed.iter().position(|placed| placed.step.spot.is_end())?;
        let detail = format!("{} took the request", self.proxy_after(leg));
        let mut verdict = at(Outcome::Lost, Way::Request, PlaceKind::Host, Some(node), detail);
        verdict.after = placed[..=end].iter().rev().find_map(Placed::stage_place);
        verdict.before = placed[end + 1..].iter().find_map(Placed::stage_place);
        self.name_unseen_drop(&mut verdict, Some(node));
        verdict.dropped_by.is_some().then(|| {
            verdict.detail += &self.consequence();
            verdict
        })
    }

    /// What the proxy sent meanwhile, and a rule of its own node dropped before any capture point.
    fn name_unseen_drop(&self, verdict: &mut Verdict, node: Option<NodeId>) {
        let unseen = self.course.trail.traced.iter().filter(|it| it.leg.is_none() && Some(it.node) == node);
        let Some(by) = DroppedBy::of(unseen.clone()) else { return };
        let mut to: Vec<String> =
            unseen.filter_map(|it| Some(it.passes.first()?.packet.tuple.dst.to_string())).collect();
        to.sort_unstable();
        to.dedup();
        verdict.detail.extend([format!("; what the node sent to {} meanwhile was {by}", to.join(", "))]);
        verdict.dropped_by = Some(Box::new(by));
    }

    /// The answer came to the proxy at the end of the leg at `cause`, and went no further.
    fn kept_answer(&self, cause: usize) -> Option<Verdict> {
        let verdict = &self.verdicts[cause];
        let is_kept = verdict.outcome == Outcome::Lost
            && verdict.direction == Some(Way::Reply)
            && verdict.place.is_some_and(|place| place.kind == PlaceKind::Proxy);
        let behind = self.course.walks.get(cause + 1).filter(|_| is_kept)?;
        let mut seen = behind.reply().iter().rev().filter(|placed| placed.point.is_some());
        let after = seen.find_map(Placed::stage_place);
        let detail = format!(
            "{} took the answer and sent nothing on{}",
            self.proxy_after(cause),
            if cause > 0 { self.consequence() } else { String::new() }
        );
        Some(Verdict { after: after.or(verdict.after), detail, ..verdict.clone() })
    }

    /// A proxy answered while the server was still silent.
    fn was_too_slow(&self, leg: usize, verdict: &mut Verdict) {
        let end = self.course.walks[leg].request().iter().rev().find(|placed| placed.point.is_some());
        verdict.outcome = Outcome::Failed;
        verdict.direction = Some(Way::Reply);
        verdict.place = Some(Place { kind: PlaceKind::Workload, node: end.and_then(|end| end.node) });
    }

    /// What the client got instead of the server's answer.
    fn consequence(&self) -> String {
        let client = &self.course.legs[0];
        match (client.pair.reply.part, self.status()) {
            (Some(Part::Head), Some(status)) if status >= 400 => {
                format!("; {} answered {status}", self.proxy_after(0))
            }
            (Some(Part::Head), Some(_)) => "; the client's answer ends there too".to_owned(),
            (Some(Part::Reset), _) => "; the client's connection was reset".to_owned(),
            _ => String::new(),
        }
    }

    /// The servers that proxies tried before the one that counts.
    fn given_up(&self) -> Option<String> {
        let trail = self.course.trail;
        let tries = trail.hops.iter().zip(1..).filter(|(hop, _)| hop.is_given_up);
        let tries = tries.filter(|&(_, leg)| trail.was_tried(leg));
        let told: Vec<String> = tries.map(|(hop, leg)| self.tried(trail, hop, leg)).collect();
        (!told.is_empty()).then(|| format!("; {}", told.join("; ")))
    }

    /// What dropped the last try that a proxy gave up, where it was traced.
    fn dropped_tries(&self) -> Option<DroppedBy> {
        let trail = self.course.trail;
        let is_given_up = |leg: u8| {
            trail.hop_to(usize::from(leg)).is_some_and(|hop| hop.is_given_up) && trail.was_tried(leg)
        };
        DroppedBy::of(trail.traced.iter().filter(|it| it.leg.is_some_and(is_given_up)))
    }

    fn tried(&self, trail: &Trail, hop: &Hop, leg: u8) -> String {
        let server = trail.legs.get(usize::from(leg)).and_then(|leg| leg.server.or(leg.target));
        let server = server.map_or_else(|| "another server".to_owned(), |server| server.to_string());
        let is_refused = trail.sightings.iter().any(|it| {
            it.leg == leg && it.way == Way::Reply && matches!(it.part, Part::Reset | Part::IcmpError)
        });
        let dropped = DroppedBy::of(trail.traced.iter().filter(|it| it.leg == Some(leg)));
        let why = match hop.exchange.status {
            _ if is_refused => "which refused".to_owned(),
            Some(status) => format!("which answered {status}"),
            None => "which did not answer".to_owned(),
        };
        let on =
            |by: DroppedBy| format!(": on {} it was {by}", self.course.world.topology.node_name(by.node));
        let why = format!("{why}{}", dropped.map(on).unwrap_or_default());
        format!("{} had tried {server}, {why}", self.named(hop.proxy, hop.node))
    }
}

/// Why a proxy answers so by itself (RFC 9110 §15).
const fn reason(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "the request is none it understands",
        401 | 403 | 407 => "not allowed",
        404 => "no route fits the request",
        408 => "the request did not come in time",
        413 => "the request is too large",
        429 => "too many requests",
        502 => "no server gave an answer",
        503 => "no server is there",
        504 => "no server answered in time",
        _ => return None,
    })
}
