//! Matches and targets of iptables that iptables-nft hands to nf_tables as they are: the structures of
//! `linux/netfilter/xt_*.h`, in the machine's byte order.

use std::fmt::Write as _;

use super::expression::{address, endpoint};

/// The words of a match or a target, where they are known; a comment is none of them.
pub(super) fn words(name: &[u8], revision: u32, info: &[u8]) -> Option<String> {
    match (name, revision) {
        (b"conntrack", 2..) => conntrack(info),
        (b"mark", 1) => {
            let is_not = *info.get(8)? != 0;
            Some(format!(
                "meta mark & {:#x} {}{:#x}",
                word(info, 4)?,
                if is_not { "!= " } else { "" },
                word(info, 0)?
            ))
        }
        (b"tcp", 0) => ports(info, *info.get(11)?),
        (b"udp", 0) => ports(info, *info.get(8)?),
        (b"statistic", 0) => Some("random".to_owned()),
        (b"addrtype", _) => Some("addrtype".to_owned()),
        (b"set", _) => Some("ipset".to_owned()),
        (b"rpfilter", _) => Some("rpfilter".to_owned()),
        (b"DNAT" | b"SNAT", 1..) => nat(name, info),
        (b"MARK", 2) => Some(mark(word(info, 0)?, word(info, 4)?)),
        (b"MASQUERADE", _) => Some("masquerade".to_owned()),
        (b"REJECT", _) => Some("reject".to_owned()),
        (b"NFLOG" | b"LOG", _) => Some("log".to_owned()),
        (b"CT", _) => Some("notrack".to_owned()),
        _ => None,
    }
}

fn word(info: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?))
}

fn half(info: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*info.get(at..)?.first_chunk()?))
}

/// Conntrack's states of a packet, as bits (`NF_CT_STATE_BIT`).
pub(super) fn states(bits: u32) -> String {
    const STATES: [(u32, &str); 5] =
        [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
    let found: Vec<&str> = STATES.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name).collect();
    if found.is_empty() { format!("{bits:#x}") } else { found.join(",") }
}

/// `struct xt_conntrack_mtinfo2` and `3`: states, where they are asked for.
fn conntrack(info: &[u8]) -> Option<String> {
    const STATE: u16 = 1;
    let (flags, inverted, mask) = (half(info, 146)?, half(info, 148)?, half(info, 150)?);
    if flags & STATE == 0 {
        return Some("ct".to_owned());
    }
    let is_not = if inverted & STATE != 0 { "!= " } else { "" };
    // Above the states come iptables' own bits: SNAT, DNAT, untracked.
    let own = [(64, "snat"), (128, "dnat"), (256, "untracked")];
    let known = states(u32::from(mask & 0xf));
    let more = own.iter().filter(|(bit, _)| mask & bit != 0).map(|&(_, name)| name);
    let all: Vec<&str> = Some(known.as_str()).filter(|_| mask & 0xf != 0).into_iter().chain(more).collect();
    Some(format!("ct state {is_not}{}", all.join(",")))
}

/// `struct xt_tcp` and `struct xt_udp`: source and destination, each from and to.
fn ports(info: &[u8], inverted: u8) -> Option<String> {
    let mut text = String::new();
    for (name, at, bit) in [("sport", 0, 1), ("dport", 4, 2)] {
        let (first, last) = (half(info, at)?, half(info, at + 2)?);
        if (first, last) == (0, u16::MAX) {
            continue;
        }
        let is_not = if inverted & bit != 0 { "!= " } else { "" };
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{name} {is_not}{first}");
        if last != first {
            let _ = write!(text, "-{last}");
        }
    }
    Some(text)
}

/// `struct nf_nat_range`: flags, addresses, and ports in network order.
fn nat(name: &[u8], info: &[u8]) -> Option<String> {
    const HAS_ADDRESS: u32 = 1;
    const HAS_PORT: u32 = 2;
    let flags = word(info, 0)?;
    let bytes = info.get(4..20)?;
    // An IPv4 address stands in the first four bytes of sixteen.
    let is_v4 = bytes[4..].iter().all(|&byte| byte == 0);
    let ip = address(if is_v4 { &bytes[..4] } else { bytes }, None).filter(|_| flags & HAS_ADDRESS != 0);
    let port = u16::from_be_bytes(*info.get(36..)?.first_chunk()?);
    let port = (flags & HAS_PORT != 0).then(|| port.to_string());
    Some(format!("{} to {}", if name == b"DNAT" { "dnat" } else { "snat" }, endpoint(ip, port)))
}

/// `struct xt_mark_tginfo2`: the bits of the mask are cleared, those of the mark turned.
fn mark(mark: u32, mask: u32) -> String {
    match (mark, mask) {
        (bits, mask) if bits == mask => format!("meta mark set mark or {bits:#x}"),
        (bits, 0) => format!("meta mark set mark xor {bits:#x}"),
        (0, mask) => format!("meta mark set mark and {:#x}", !mask),
        (bits, u32::MAX) => format!("meta mark set {bits:#x}"),
        (bits, mask) => format!("meta mark set mark and {:#x} xor {bits:#x}", !mask),
    }
}
