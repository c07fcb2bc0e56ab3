//! nf_tables' messages about traced packets (`linux/netfilter/nf_tables.h`): trace messages, chains and rules.

mod expression;
mod rule;
mod trace;
mod xtables;

#[cfg(test)]
mod tests;

use super::attributes::Attributes;
use crate::decode::clean;
use crate::model::{ChainInfo, ChainName, Hook, HookEvent};

/// Messages of nf_tables.
const NEW_CHAIN: u8 = 3;
const NEW_RULE: u8 = 6;
const TRACE: u8 = 17;

/// Reads a message of nf_tables; `None` where it is another, or tells too little to be of use.
pub(super) fn read(kind: u8, family: u8, attributes: &[u8]) -> Option<HookEvent> {
    let attributes = Attributes(attributes);
    match kind {
        NEW_CHAIN => chain(family, attributes).map(HookEvent::Chain),
        NEW_RULE => rule::read(family, attributes).map(HookEvent::Rule),
        TRACE => trace::read(family, attributes).map(HookEvent::Step),
        _ => None,
    }
}

/// A chain's name from the attributes that hold its table's and its own.
fn name(family: u8, attributes: Attributes<'_>, table: u16, chain: u16) -> Option<ChainName> {
    let text = |kind| Some(clean(attributes.text(kind)?));
    Some(ChainName { family, table: text(table)?, chain: text(chain)? })
}

fn chain(family: u8, attributes: Attributes<'_>) -> Option<ChainInfo> {
    /// `enum nft_chain_attributes` and `nft_hook_attributes`.
    const TABLE: u16 = 1;
    const NAME: u16 = 3;
    const HOOK: u16 = 4;
    const HOOK_NUMBER: u16 = 1;
    const HOOK_PRIORITY: u16 = 2;
    let hook = attributes.nested(HOOK);
    let base = hook.and_then(|hook| {
        Some((Hook::from_number(hook.number(HOOK_NUMBER)?)?, hook.number(HOOK_PRIORITY)? as i32))
    });
    Some(ChainInfo { name: name(family, attributes, TABLE, NAME)?, base })
}
