//! Reports against the truth: what clients, servers' logs and conntrack say of recordings, fresh and stored.

mod compare;
mod fresh;
mod ingress;
mod joins;
mod stored;
