//! What is said over the pipes between hopline and the process that traces for it.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use crate::model::{FlowPattern, Timestamp};

/// Connections traced at once, at most.
pub const MOST_FLOWS: usize = 32;
/// A longer message is none: a datagram of netlink messages has 64 KiB.
const LONGEST: usize = 1 << 18;
const HEAD: usize = 13;

/// What the process is asked for, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Trace these and no others, for so long.
    Trace {
        flows: Vec<FlowPattern>,
        time: Duration,
    },
    Stop,
    /// List connection tracking's table.
    List,
    /// State how full the table is, and what that has cost.
    Statistics,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Trace { flows, time } => {
                write!(f, "trace {}", time.as_millis())?;
                flows.iter().try_for_each(|flow| write!(f, " {flow}"))
            }
            Order::Stop => f.write_str("stop"),
            Order::List => f.write_str("list"),
            Order::Statistics => f.write_str("statistics"),
        }
    }
}

impl Order {
    /// `None` for a line that is no order: then nothing is done.
    pub(super) fn parse(line: &str) -> Option<Order> {
        let mut words = line.split_whitespace();
        match words.next()? {
            "stop" => Some(Order::Stop),
            "list" => Some(Order::List),
            "statistics" => Some(Order::Statistics),
            "trace" => {
                let time = Duration::from_millis(words.next()?.parse().ok()?);
                let flows: Vec<FlowPattern> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
                (1..=MOST_FLOWS).contains(&flows.len()).then_some(Order::Trace { flows, time })
            }
            _ => None,
        }
    }
}

/// What the process tells: a kind, a time, a length, and so many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A netlink message of nf_tables or connection tracking, heard at this time.
    Message(Timestamp, Vec<u8>),
    /// Tracing is on, up to this time.
    On(Timestamp),
    /// It is off again: by itself, as its time is over, or because it was told to.
    Off,
    /// It could not be done: why.
    Failed(String),
    /// So often messages were lost.
    Lost(u64),
}

impl Told {
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let none = Timestamp(0);
        let (kind, time, bytes): (u8, Timestamp, &[u8]) = match self {
            Told::Message(time, bytes) => (0, *time, bytes),
            Told::On(until) => (1, *until, &[]),
            Told::Off => (2, none, &[]),
            Told::Failed(why) => (3, none, why.as_bytes()),
            Told::Lost(count) => (4, Timestamp(*count as i64), &[]),
        };
        let len = bytes.len().min(LONGEST);
        out.write_all(&[&[kind][..], &time.0.to_ne_bytes(), &(len as u32).to_ne_bytes()].concat())?;
        out.write_all(&bytes[..len])
    }
}

/// Puts the pieces that come by a pipe together.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    bytes: Vec<u8>,
}

impl Hearing {
    /// Reads what is there. `false` once nothing more will come.
    pub(super) fn read(&mut self, input: &mut dyn Read, take: &mut dyn FnMut(Told)) -> bool {
        let mut buffer = [0; 16 << 10];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            if !self.take(take) {
                return false;
            }
        }
    }

    /// Takes the whole messages off; `false` if what came is none.
    fn take(&mut self, take: &mut dyn FnMut(Told)) -> bool {
        let mut at = 0;
        while let Some(&[kind, t0, t1, t2, t3, t4, t5, t6, t7, l0, l1, l2, l3]) =
            self.bytes.get(at..).and_then(|rest| rest.first_chunk::<HEAD>())
        {
            let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            let time = Timestamp(i64::from_ne_bytes([t0, t1, t2, t3, t4, t5, t6, t7]));
            if len > LONGEST {
                return false;
            }
            let Some(bytes) = self.bytes.get(at + HEAD..at + HEAD + len) else { break };
            take(match kind {
                0 => Told::Message(time, bytes.to_vec()),
                1 => Told::On(time),
                2 => Told::Off,
                3 => Told::Failed(String::from_utf8_lossy(bytes).into_owned()),
                4 => Told::Lost(time.0 as u64),
                _ => return false,
            });
            at += HEAD + len;
        }
        self.bytes.drain(..at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_were_given() {
        let flow: FlowPattern = "6,*:*,10.43.7.7/32:80,*:*".parse().expect("a pattern");
        let order = Order::Trace { flows: vec![flow; 2], time: Duration::from_mins(1) };
        assert_eq!(Order::parse(&order.to_string()), Some(order));
        for order in [Order::Stop, Order::List, Order::Statistics] {
            assert_eq!(Order::parse(&order.to_string()), Some(order));
        }
        let many = Order::Trace { flows: vec![flow; MOST_FLOWS + 1], time: Duration::ZERO };
        for line in
            ["", "trace", "trace 5", "trace x 6,*:1,*:*,*:*", "trace 5 everything", "run", &many.to_string()]
        {
            assert_eq!(Order::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_told_comes_whole_however_it_is_cut() {
        let all = [
            Told::On(Timestamp(7)),
            Told::Message(Timestamp(-3), vec![9; 5_000]),
            Told::Lost(4),
            Told::Failed("no".to_owned()),
            Told::Off,
        ];
        let mut bytes = Vec::new();
        for told in &all {
            told.write(&mut bytes).expect("memory");
        }
        for size in [1, 7, 4_096] {
            let (mut hearing, mut heard) = (Hearing::default(), Vec::new());
            for piece in bytes.chunks(size) {
                hearing.bytes.extend_from_slice(piece);
                assert!(hearing.take(&mut |told| heard.push(told)));
            }
            assert_eq!(heard, all);
        }
        let (mut hearing, mut none) = (Hearing::default(), &[9_u8; 40][..]);
        assert!(!hearing.read(&mut none, &mut |_| panic!("nothing was said")));
    }
}
