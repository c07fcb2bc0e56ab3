//! Recent lookups by client, so that a connection can name the lookup it followed.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::model::{Ip, Lookup, MILLIS, Resolution, SECONDS, Sighting, Timestamp};

/// A connection belongs to a lookup that was answered at most this long before it.
const WINDOW: i64 = 10 * SECONDS;
/// Answer and SYN are stamped at the same capture point; this much disorder is forgiven.
const SLACK: i64 = MILLIS;
const PER_CLIENT: usize = 64;
const CLIENTS: usize = 65_536;

#[derive(Clone, Debug)]
struct Recent {
    trail: u64,
    lookup: Lookup,
    query: Sighting,
    answer: Sighting,
}

#[derive(Debug, Default)]
pub(super) struct Lookups {
    clients: HashMap<Ip, VecDeque<Recent>>,
    order: VecDeque<Ip>,
}

impl Lookups {
    /// Remembers an answered lookup as its client's capture point saw it.
    pub(super) fn remember(
        &mut self,
        client: Ip,
        trail: u64,
        lookup: &Lookup,
        query: Sighting,
        answer: Sighting,
    ) {
        if !self.clients.contains_key(&client) {
            if self.order.len() >= CLIENTS
                && let Some(oldest) = self.order.pop_front()
            {
                self.clients.remove(&oldest);
            }
            self.order.push_back(client);
        }
        let recents = self.clients.entry(client).or_default();
        if recents.len() >= PER_CLIENT {
            recents.pop_front();
        }
        recents.push_back(Recent { trail, lookup: lookup.clone(), query, answer });
    }

    /// The latest lookup by `client` that gave `target` shortly before `begun`, which was stamped at the
    /// client's own node as the lookups were.
    pub(super) fn before(&self, client: Ip, target: Ip, begun: Timestamp) -> Option<Resolution> {
        let recents = self.clients.get(&client)?;
        let found = recents
            .iter()
            .filter(|recent| {
                let age = begun.since(recent.answer.time);
                recent.lookup.addresses.contains(&target) && (-SLACK..=WINDOW).contains(&age)
            })
            .max_by_key(|recent| (recent.answer.time, recent.trail))?;
        let is_try = |recent: &&Recent| {
            let age = found.query.time.since(recent.query.time);
            recent.lookup.addresses.is_empty()
                && recent.lookup.rcode == Some(3)
                && recent.lookup.kind == found.lookup.kind
                && (0..=WINDOW).contains(&age)
                && is_search_sibling(&recent.lookup.name, &found.lookup.name)
        };
        let tries: Vec<&Recent> = recents.iter().filter(is_try).collect();
        Some(Resolution {
            name: found.lookup.name.clone(),
            trail: found.trail,
            query: found.query,
            answer: found.answer,
            tries: 1 + tries.len() as u32,
            first_try: tries.iter().map(|recent| recent.query.time).min().unwrap_or(found.query.time),
        })
    }
}

/// Whether two names can be the same name under different search domains (resolv.conf(5)): they begin alike.
fn is_search_sibling(tried: &str, found: &str) -> bool {
    let shared = tried.split('.').zip(found.split('.')).take_while(|(a, b)| a == b).count();
    shared > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::sighting as at;

    fn lookup(name: &str, rcode: u8, addresses: &[&str]) -> Lookup {
        Lookup {
            name: name.into(),
            kind: "A".into(),
            rcode: Some(rcode),
            addresses: addresses.iter().map(|text| text.parse().expect("address")).collect(),
            ..Lookup::default()
        }
    }

    #[test]
    fn search_domains_count_as_tries_of_one_resolution() {
        let mut lookups = Lookups::default();
        let client: Ip = "10.244.1.17".parse().expect("address");
        let target: Ip = "10.43.7.7".parse().expect("address");
        lookups.remember(client, 1, &lookup("stock.shop.default.svc.x", 3, &[]), at(0), at(10));
        lookups.remember(client, 2, &lookup("stock.shop.svc.x", 0, &["10.43.7.7"]), at(20), at(30));
        let found = lookups.before(client, target, Timestamp(40)).expect("follows");
        assert_eq!((found.trail, found.tries, found.first_try), (2, 2, Timestamp(0)));
        assert!(lookups.before(client, target, Timestamp(31 + 10 * SECONDS)).is_none());
        assert!(lookups.before(target, target, Timestamp(40)).is_none());
    }
}
