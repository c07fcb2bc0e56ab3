//! A rule's expressions in words, as `nft list ruleset` writes them. What has no words here is named in brackets.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{trace, xtables};
use crate::decode::attributes::Attributes;
use crate::model::Action;

/// More expressions than any rule has.
const MOST: usize = 128;
/// Registers are few; numbers beyond these are none (`enum nft_registers`).
const REGISTERS: usize = 24;

/// A rule while it is worded.
pub(super) struct Wording {
    family: u8,
    words: Vec<String>,
    comment: Option<Vec<u8>>,
    /// The transport protocol that the rule is for.
    protocol: Option<String>,
    registers: [Option<Loaded>; REGISTERS],
}

/// What was loaded into a register.
#[derive(Clone, Debug)]
struct Loaded {
    name: String,
    kind: Kind,
    mask: Option<Vec<u8>>,
}

/// How a register's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Address,
    /// In network order.
    Number,
    /// In the machine's order.
    OwnNumber,
    Name,
    Protocol,
    Family,
    State,
}

impl Wording {
    pub(super) fn new(family: u8) -> Wording {
        Wording {
            family,
            words: Vec::new(),
            comment: None,
            protocol: None,
            registers: [const { None }; REGISTERS],
        }
    }

    /// The text, and the comment that stood among the expressions.
    pub(super) fn finish(self) -> (String, Option<Vec<u8>>) {
        (self.words.join(" "), self.comment)
    }

    pub(super) fn expressions(&mut self, list: Attributes<'_>) {
        const ELEMENT: u16 = 1;
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        for (kind, element) in list.all().take(MOST) {
            let element = Attributes(element);
            if let (ELEMENT, Some(name)) = (kind, element.text(NAME)) {
                self.expression(name, element.nested(DATA).unwrap_or(Attributes(&[])));
            }
        }
    }

    fn expression(&mut self, name: &[u8], data: Attributes<'_>) {
        let worded = match name {
            // What was counted says nothing of what the rule does.
            b"counter" => Some(()),
            b"meta" => self.meta(data),
            b"ct" => self.ct(data),
            b"payload" => self.payload(data),
            b"cmp" => self.compare(data),
            b"bitwise" => self.bitwise(data),
            b"lookup" => self.lookup(data),
            b"immediate" => self.immediate(data),
            b"nat" => self.nat(data),
            b"masq" => self.say("masquerade"),
            b"redir" => self.say("redirect"),
            b"reject" => self.say("reject"),
            b"notrack" => self.say("notrack"),
            b"limit" => self.limit(data),
            b"log" => self.log(data),
            b"match" | b"target" => self.xtables(data),
            _ => None,
        };
        if worded.is_none() {
            self.words.push(format!("[{}]", String::from_utf8_lossy(name)));
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what has words has them in the end")]
    fn say(&mut self, words: impl Into<String>) -> Option<()> {
        self.words.push(words.into());
        Some(())
    }

    fn load(&mut self, register: u32, name: impl Into<String>, kind: Kind) -> Option<()> {
        *self.registers.get_mut(register as usize)? = Some(Loaded { name: name.into(), kind, mask: None });
        Some(())
    }

    fn loaded(&self, register: u32) -> Option<&Loaded> {
        self.registers.get(register as usize)?.as_ref()
    }

    /// `enum nft_meta_attributes`, `enum nft_meta_keys`.
    fn meta(&mut self, data: Attributes<'_>) -> Option<()> {
        let (name, kind) = match data.number(2)? {
            3 => ("meta mark", Kind::OwnNumber),
            4 => ("meta iif", Kind::OwnNumber),
            5 => ("meta oif", Kind::OwnNumber),
            6 => ("iifname", Kind::Name),
            7 => ("oifname", Kind::Name),
            10 => ("meta skuid", Kind::OwnNumber),
            12 => ("meta nftrace", Kind::OwnNumber),
            15 => ("meta nfproto", Kind::Family),
            16 => ("meta l4proto", Kind::Protocol),
            _ => return None,
        };
        match (data.number(1), data.number(3)) {
            (Some(register), _) => self.load(register, name, kind),
            (None, Some(register)) => {
                let value = self.loaded(register).map_or("…", |it| &it.name).to_owned();
                self.say(format!("{name} set {value}"))
            }
            _ => None,
        }
    }

    /// `enum nft_ct_attributes`, `enum nft_ct_keys`.
    fn ct(&mut self, data: Attributes<'_>) -> Option<()> {
        let (name, kind) = match data.number(2)? {
            0 => ("state", Kind::State),
            1 => ("direction", Kind::OwnNumber),
            2 => ("status", Kind::OwnNumber),
            3 => ("mark", Kind::OwnNumber),
            11 => ("proto-src", Kind::Number),
            12 => ("proto-dst", Kind::Number),
            8 | 19 | 21 => ("saddr", Kind::Address),
            9 | 20 | 22 => ("daddr", Kind::Address),
            _ => return None,
        };
        let way = match data.get(3).and_then(|value| value.first()) {
            Some(0) => "original ",
            Some(_) => "reply ",
            None => "",
        };
        match (data.number(1), data.number(4)) {
            (Some(register), _) => self.load(register, format!("ct {way}{name}"), kind),
            (None, Some(register)) => {
                let value = self.loaded(register).map_or("…", |it| &it.name).to_owned();
                self.say(format!("ct {name} set {value}"))
            }
            _ => None,
        }
    }

    /// `enum nft_payload_attributes`: base, offset and length, which say what field it is.
    fn payload(&mut self, data: Attributes<'_>) -> Option<()> {
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        let register = data.number(1)?;
        let place = (data.number(2)?, data.number(3)?, data.number(4)?);
        let is_v6 = self.family == 10 || (self.family != 2 && place.2 == 16);
        let (name, kind) = match place {
            // A prefix of whole bytes is loaded shorter.
            (NETWORK, 12, 1..=4) if !is_v6 => ("ip saddr", Kind::Address),
            (NETWORK, 16, 1..=4) if !is_v6 => ("ip daddr", Kind::Address),
            (NETWORK, 9, 1) if !is_v6 => ("ip protocol", Kind::Protocol),
            (NETWORK, 8, 1..=16) if is_v6 => ("ip6 saddr", Kind::Address),
            (NETWORK, 24, 1..=16) if is_v6 => ("ip6 daddr", Kind::Address),
            (TRANSPORT, 0 | 2, 2) => {
                let name = if place.1 == 0 { "sport" } else { "dport" };
                return self.load_port(register, name);
            }
            (base, offset, len) => {
                return self.load(register, format!("@{base},{offset},{len}"), Kind::Number);
            }
        };
        self.load(register, name, kind)
    }

    /// A port is named with its protocol, which then need not be said by itself.
    fn load_port(&mut self, register: u32, name: &str) -> Option<()> {
        let Some(protocol) = &self.protocol else { return self.load(register, name, Kind::Number) };
        let (said, name) = (format!("meta l4proto {protocol}"), format!("{protocol} {name}"));
        self.words.retain(|words| *words != said);
        self.load(register, name, Kind::Number)
    }

    /// `enum nft_cmp_attributes`.
    fn compare(&mut self, data: Attributes<'_>) -> Option<()> {
        const OPERATORS: [&str; 6] = ["", "!= ", "< ", "<= ", "> ", ">= "];
        let loaded = self.loaded(data.number(1)?)?;
        let operator = OPERATORS.get(data.number(2)? as usize)?;
        let value = data.nested(3)?.get(1)?;
        // `ct state new,established` is a mask of which something must be left.
        let states = loaded.mask.as_ref().and_then(|mask| Some(u32::from_ne_bytes(*mask.first_chunk()?)));
        let text = match states {
            Some(states) if loaded.kind == Kind::State && value.iter().all(|&byte| byte == 0) => {
                let is_not = if *operator == "!= " { "" } else { "!= " };
                format!("{} {is_not}{}", loaded.name, xtables::states(states))
            }
            // Behind a mask the sign of equality is written.
            _ if loaded.kind != Kind::Address && loaded.mask.is_some() && operator.is_empty() => {
                format!("{} == {}", loaded.shown(), loaded.value(value))
            }
            _ => format!("{} {operator}{}", loaded.shown(), loaded.value(value)),
        };
        if loaded.kind == Kind::Protocol && operator.is_empty() {
            self.protocol = Some(loaded.value(value));
        }
        self.say(text)
    }

    /// `enum nft_bitwise_attributes`: a mask.
    fn bitwise(&mut self, data: Attributes<'_>) -> Option<()> {
        let mut loaded = self.loaded(data.number(1)?)?.clone();
        loaded.mask = Some(data.nested(4)?.get(1)?.to_vec());
        *self.registers.get_mut(data.number(2)? as usize)? = Some(loaded);
        Some(())
    }

    /// `enum nft_lookup_attributes`: in a set, or through a map to what is done.
    fn lookup(&mut self, data: Attributes<'_>) -> Option<()> {
        let set = String::from_utf8_lossy(data.text(1)?).into_owned();
        let key = self.loaded(data.number(2)?)?.shown();
        let is_not = data.number(5).is_some_and(|flags| flags & 1 != 0);
        match data.number(3) {
            Some(0) => self.say(format!("{key} vmap @{set}")),
            Some(register) => self.load(register, format!("{key} map @{set}"), Kind::Number),
            None => self.say(format!("{key} {}@{set}", if is_not { "!= " } else { "" })),
        }
    }

    /// `enum nft_immediate_attributes`: a value, or what is done.
    fn immediate(&mut self, data: Attributes<'_>) -> Option<()> {
        const VERDICT: u32 = 0;
        let register = data.number(1)?;
        let value = data.nested(2)?;
        if register != VERDICT {
            let bytes = value.get(1)?;
            return self.load(register, plain(bytes), Kind::Number);
        }
        let words = match trace::verdict(value.nested(2)?) {
            Action::Accept => "accept".to_owned(),
            Action::Drop => "drop".to_owned(),
            Action::Continue => "continue".to_owned(),
            Action::Return => "return".to_owned(),
            Action::Jump(chain) => format!("jump {chain}"),
            Action::Goto(chain) => format!("goto {chain}"),
            Action::Taken => "queue".to_owned(),
        };
        self.say(words)
    }

    /// `enum nft_nat_attributes`.
    fn nat(&mut self, data: Attributes<'_>) -> Option<()> {
        let kind = if data.number(1)? == 0 { "snat" } else { "dnat" };
        let shown = |kind| Some(self.loaded(data.number(kind)?)?.name.clone());
        self.say(format!("{kind} to {}", endpoint(shown(3), shown(5))))
    }

    /// `enum nft_limit_attributes`.
    fn limit(&mut self, data: Attributes<'_>) -> Option<()> {
        let unit = match data.long(2)? {
            1 => "second",
            60 => "minute",
            3_600 => "hour",
            _ => "day",
        };
        self.say(format!("limit rate {}/{unit}", data.long(1)?))
    }

    /// `enum nft_log_attributes`.
    fn log(&mut self, data: Attributes<'_>) -> Option<()> {
        match data.text(2) {
            Some(prefix) => self.say(format!("log prefix \"{}\"", String::from_utf8_lossy(prefix))),
            None => self.say("log"),
        }
    }

    /// A match or a target of iptables: `enum nft_match_attributes` and `nft_target_attributes`, which are alike.
    fn xtables(&mut self, data: Attributes<'_>) -> Option<()> {
        let (name, revision, info) = (data.text(1)?, data.number(2)?, data.get(3)?);
        if name == b"comment" {
            let comment = info.split(|&byte| byte == 0).next().unwrap_or_default();
            match &mut self.comment {
                // Calico writes two: the rule's hash, and what it is for.
                Some(first) => *first = [first.as_slice(), b"; ", comment].concat(),
                None => self.comment = Some(comment.to_vec()),
            }
            return Some(());
        }
        let words = xtables::words(name, revision, info);
        match words {
            // A match that only says again which protocol it is for.
            Some(words) if words.is_empty() => Some(()),
            Some(words) => self.say(words),
            None => self.say(format!("[{}]", String::from_utf8_lossy(name))),
        }
    }
}

impl Loaded {
    /// The name, with the mask where it is no prefix.
    fn shown(&self) -> String {
        match &self.mask {
            Some(mask) if self.kind != Kind::Address => format!("{} & {}", self.name, self.hex(mask)),
            _ => self.name.clone(),
        }
    }

    fn hex(&self, bytes: &[u8]) -> String {
        let digit = |text: &mut String, byte: &u8| {
            let _ = write!(text, "{byte:02x}");
        };
        let mut text = String::from("0x");
        if self.kind == Kind::OwnNumber && cfg!(target_endian = "little") {
            for byte in bytes.iter().rev() {
                digit(&mut text, byte);
            }
        } else {
            for byte in bytes {
                digit(&mut text, byte);
            }
        }
        text
    }

    fn value(&self, bytes: &[u8]) -> String {
        let own = || bytes.first_chunk().map(|four| u32::from_ne_bytes(*four));
        match (self.kind, bytes) {
            (Kind::Address, _) => address(bytes, self.mask.as_deref()).unwrap_or_else(|| self.hex(bytes)),
            (Kind::Protocol, &[number]) => match number {
                1 => "icmp".to_owned(),
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                58 => "ipv6-icmp".to_owned(),
                other => other.to_string(),
            },
            (Kind::Family, &[number]) => match number {
                2 => "ipv4".to_owned(),
                10 => "ipv6".to_owned(),
                other => other.to_string(),
            },
            (Kind::Name, _) => interface(bytes),
            (Kind::State, _) => own().map_or_else(|| self.hex(bytes), xtables::states),
            (Kind::Number, &[high, low]) => u16::from_be_bytes([high, low]).to_string(),
            _ => self.hex(bytes),
        }
    }
}

/// A register's bytes where nothing says what they are: four or sixteen are an address, two a port.
fn plain(bytes: &[u8]) -> String {
    match *bytes {
        [value] => value.to_string(),
        [high, low] => u16::from_be_bytes([high, low]).to_string(),
        _ => address(bytes, None).unwrap_or_else(|| format!("[{} bytes]", bytes.len())),
    }
}

/// An address, or the first bytes of one as a prefix.
pub(super) fn address(bytes: &[u8], mask: Option<&[u8]>) -> Option<String> {
    let ones = |mask: &[u8]| mask.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let prefix = mask.map_or(bytes.len() as u32 * 8, ones);
    let (text, whole) = match bytes.len() {
        1..=4 => {
            let mut octets = [0; 4];
            octets[..bytes.len()].copy_from_slice(bytes);
            (Ipv4Addr::from(octets).to_string(), 32)
        }
        5..=16 => {
            let mut octets = [0; 16];
            octets[..bytes.len()].copy_from_slice(bytes);
            (Ipv6Addr::from(octets).to_string(), 128)
        }
        _ => return None,
    };
    Some(if prefix == whole { text } else { format!("{text}/{prefix}") })
}

/// An address and a port, of which each may be open.
pub(super) fn endpoint(address: Option<String>, port: Option<String>) -> String {
    match (address, port) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{}:{port}", address.unwrap_or_default()),
        (address, None) => address.unwrap_or_default(),
    }
}

/// An interface's name; one that is cut before its NUL stands for all that begin so.
fn interface(bytes: &[u8]) -> String {
    let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let star = if name.len() == bytes.len() && bytes.len() < 16 { "*" } else { "" };
    format!("\"{}{star}\"", String::from_utf8_lossy(name))
}
