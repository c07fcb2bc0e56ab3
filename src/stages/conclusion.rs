//! What the verdicts of all legs come to.
//!
//! The deepest leg that did not end well is the cause; what came of it on the legs before it is told with it. Where
//! all ended well and the last one ends at a proxy, that proxy has answered by itself: a judgement that needs its
//! node to be captured, so that a leg onward would have been seen.

use smallvec::SmallVec;

use crate::model::say::say;
use crate::model::{
    DroppedBy, Hop, NodeId, Outcome, Part, Place, PlaceKind, Proxy, Role, Sentence, State, Trail, Verdict,
    Way,
};
use crate::stages::course::Course;
use crate::stages::detail::{alike, request};
use crate::stages::hooks::dropped;
use crate::stages::verdict::at;
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
        verdict.detail += self.given_up();
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
    fn proxy_after(&self, leg: usize) -> Sentence {
        self.named(self.course.proxy(leg, Way::Request).kind, self.node_after(leg))
    }

    fn named(&self, kind: Proxy, node: Option<NodeId>) -> Sentence {
        let name = match kind {
            Proxy::Haproxy => alike("HAProxy"),
            Proxy::Traefik => alike("Traefik"),
            Proxy::Unknown => say!("the proxy", "代理"),
        };
        let Some(node) = node else { return name };
        let node = self.course.world.topology.node_name(node);
        match kind {
            Proxy::Unknown => say!("{name} on {node}", "{node} 上的{name}"; name, node),
            Proxy::Haproxy | Proxy::Traefik => say!("{name} on {node}", "{node} 上的 {name}"; name, node),
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
                let detail = say!(
                    "{proxy} answered {status}, though the server behind it answered {served}",
                    "{proxy} 应答了 {status}，而它后面的服务端应答的是 {served}";
                    proxy = self.proxy_after(0), status, served
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
        let method = self.course.trail.exchange.method.as_deref().map_or_else(request, alike);
        if !node.is_some_and(|node| self.would_show_more(node)) {
            let detail = say!(
                "{method} answered with {status}; whether {proxy} or a server behind it did is not captured",
                "{method} 得到应答 {status}；应答者是 {proxy} 还是它后面的服务端，没有抓包";
                method, status, proxy
            );
            return (status >= 400).then(|| Verdict::new(Outcome::Complete, detail));
        }
        Some(match status {
            400.. => {
                let why = reason(status).map(|why| say!(" ({why})", "（{why}）"; why)).unwrap_or_default();
                let detail = say!(
                    "{proxy} answered {status} by itself{why}; nothing was seen going to a server",
                    "{proxy} 自行应答了 {status}{why}；没有观测到发往服务端的数据包";
                    proxy, status, why
                );
                let mut verdict = at(Outcome::Failed, Way::Request, PlaceKind::Proxy, node, detail);
                self.name_unseen_drop(&mut verdict, node);
                verdict
            }
            300..400 => {
                let location = self.course.trail.exchange.location.as_deref();
                let whereto = location.map(|to| say!(" to {to}", "到 {to}"; to)).unwrap_or_default();
                Verdict::new(
                    Outcome::Complete,
                    say!(
                        "{method} answered with {status}: {proxy} redirects by itself{whereto}",
                        "{method} 得到应答 {status}：{proxy} 自行重定向{whereto}";
                        method, status, proxy, whereto
                    ),
                )
            }
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
                return Some(Verdict::new(Outcome::Open, verdict.detail));
            }
            Outcome::Open if is_answered => self.was_too_slow(cause, &mut verdict),
            // To the client it is a request that failed, whether it is told so or not.
            Outcome::Refused => verdict.outcome = Outcome::Failed,
            _ => {}
        }
        verdict.detail += self.consequence();
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
            (
                Way::Request,
                say!(
                    "nothing left the node after it, neither to a server nor back",
                    "此后没有任何数据包离开该节点，既没有发往服务端，也没有返回"
                ),
            )
        } else {
            (
                Way::Reply,
                say!(
                    "no answer came; whether it sent the request on is not captured",
                    "没有应答；它是否转发了请求，没有抓包"
                ),
            )
        };
        let mut verdict = verdict.clone();
        self.name_stages(leg, &mut verdict);
        verdict.direction = Some(direction);
        verdict.detail = say!(
            "{proxy} took the request, and {rest}{consequence}",
            "{proxy} 收下了请求，{rest}{consequence}";
            proxy, rest, consequence = self.consequence()
        );
        Some(verdict)
    }

    /// What the last proxy sent on was dropped on its own node, before any capture point: only tracing shows it.
    fn dropped_behind(&self, leg: usize) -> Option<Verdict> {
        let node = self.node_after(leg).filter(|_| self.is_at_end(leg))?;
        let placed = self.course.walks[leg].request();
        let end = placed.iter().position(|placed| placed.step.spot.is_end())?;
        let proxy = self.proxy_after(leg);
        let detail = say!("{proxy} took the request", "{proxy} 收下了请求"; proxy);
        let mut verdict = at(Outcome::Lost, Way::Request, PlaceKind::Host, Some(node), detail);
        verdict.after = placed[..=end].iter().rev().find_map(Placed::stage_place);
        verdict.before = placed[end + 1..].iter().find_map(Placed::stage_place);
        self.name_unseen_drop(&mut verdict, Some(node));
        verdict.dropped_by.is_some().then(|| {
            verdict.detail += self.consequence();
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
        verdict.detail += say!(
            "; what the node sent to {to} meanwhile was {by}",
            "；其间该节点发往 {to} 的数据包{by}";
            to = to.join(", "), by = dropped(&by)
        );
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
        let consequence = if cause > 0 { self.consequence() } else { Sentence::default() };
        let detail = say!(
            "{proxy} took the answer and sent nothing on{consequence}",
            "{proxy} 收下了应答，没有再转发{consequence}";
            proxy = self.proxy_after(cause), consequence
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
    fn consequence(&self) -> Sentence {
        let client = &self.course.legs[0];
        match (client.pair.reply.part, self.status()) {
            (Some(Part::Head), Some(status)) if status >= 400 => {
                say!(
                    "; {proxy} answered {status}",
                    "；{proxy} 应答了 {status}";
                    proxy = self.proxy_after(0), status
                )
            }
            (Some(Part::Head), Some(_)) => {
                say!("; the client's answer ends there too", "；客户端得到的应答也到此为止")
            }
            (Some(Part::Reset), _) => say!("; the client's connection was reset", "；客户端的连接被重置"),
            _ => Sentence::default(),
        }
    }

    /// The servers that proxies tried before the one that counts.
    fn given_up(&self) -> Sentence {
        let trail = self.course.trail;
        let tries = trail.hops.iter().zip(1..).filter(|(hop, _)| hop.join.is_given_up);
        let tries = tries.filter(|&(_, leg)| trail.was_tried(leg));
        let mut told = Sentence::default();
        told.extend(tries.map(|(hop, leg)| self.tried(trail, hop, leg)));
        told
    }

    /// What dropped the last try that a proxy gave up, where it was traced.
    fn dropped_tries(&self) -> Option<DroppedBy> {
        let trail = self.course.trail;
        let is_given_up = |leg: u8| {
            trail.hop_to(usize::from(leg)).is_some_and(|hop| hop.join.is_given_up) && trail.was_tried(leg)
        };
        DroppedBy::of(trail.traced.iter().filter(|it| it.leg.is_some_and(is_given_up)))
    }

    fn tried(&self, trail: &Trail, hop: &Hop, leg: u8) -> Sentence {
        let server = trail.legs.get(usize::from(leg)).and_then(|leg| leg.server.or(leg.target));
        let server = server.map_or_else(
            || say!("another server", "另一个服务端"),
            |server| say!("{server}", "{server}"; server),
        );
        let is_refused = trail.sightings.iter().any(|it| {
            it.leg == leg && it.way == Way::Reply && matches!(it.part, Part::Reset | Part::IcmpError)
        });
        let by = DroppedBy::of(trail.traced.iter().filter(|it| it.leg == Some(leg)));
        let why = match hop.exchange.status {
            _ if is_refused => say!("which refused", "对方拒绝了"),
            Some(status) => say!("which answered {status}", "对方应答了 {status}"; status),
            None => say!("which did not answer", "对方没有应答"),
        };
        let on = by.map(|by| {
            let node = self.course.world.topology.node_name(by.node);
            say!(": on {node} it was {by}", "：在 {node} 上{by}"; node, by = dropped(&by))
        });
        let on = on.unwrap_or_default();
        say!(
            "; {proxy} had tried {server}, {why}{on}",
            "；{proxy} 此前试过 {server}，{why}{on}";
            proxy = self.named(hop.join.proxy, hop.join.node), server, why, on
        )
    }
}

/// Why a proxy answers so by itself (RFC 9110 §15).
fn reason(status: u16) -> Option<Sentence> {
    Some(match status {
        400 => say!("the request is none it understands", "它不理解该请求"),
        401 | 403 | 407 => say!("not allowed", "不被允许"),
        404 => say!("no route fits the request", "没有路由符合该请求"),
        408 => say!("the request did not come in time", "请求没有及时到达"),
        413 => say!("the request is too large", "请求太大"),
        429 => say!("too many requests", "请求太多"),
        502 => say!("no server gave an answer", "没有服务端给出应答"),
        503 => say!("no server is there", "没有可用的服务端"),
        504 => say!("no server answered in time", "没有服务端及时应答"),
        _ => return None,
    })
}
