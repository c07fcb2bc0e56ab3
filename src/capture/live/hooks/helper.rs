//! The process that traces and asks: it has CAP_NET_ADMIN, and takes nothing but orders that name connections, or ask
//! for connection tracking's table and its statistics.
//!
//! nfnetlink wants the right of whoever opened a socket *and* of whoever sends on it, so the process that parses
//! packets cannot keep a socket for this. It starts this one instead while it still may, and talks to it over pipes.
//! It ends with its standard input, and the table ends with it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kernel::{CPU_STATISTICS, Kernel, NEW_CHAIN, NEW_RULE, TABLE_STATISTICS, TRACE};
use super::message::Received;
use super::wire::{Order, Told};
use crate::capture::live::Clock;
use crate::model::{MILLIS, SECONDS, Timestamp};

/// A longer line is no order.
const LONGEST_LINE: usize = 16 << 10;
/// Chains that are remembered as told of.
const MOST_CHAINS: usize = 4096;
/// A chain whose rules have changed is told of anew, not more often than this.
const AGAIN: i64 = SECONDS;

/// Carries out orders until standard input ends.
///
/// # Errors
/// When there is no right to trace, or nobody reads any more.
pub fn serve(clock: Clock) -> io::Result<()> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = BufWriter::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    Helper {
        kernel: Kernel::open()?,
        input,
        output,
        lines: Vec::new(),
        until: None,
        chains: HashMap::new(),
        asked: Vec::new(),
        stated: HashMap::new(),
        statements: 0,
        lost: 0,
        clock,
    }
    .run()
}

/// Whether the kernel traces: tries it with addresses that are nobody's (RFC 5737).
///
/// # Errors
/// Why it does not.
pub fn can_trace() -> Result<(), String> {
    let nobody = "6,192.0.2.1/32:*,192.0.2.2/32:1,*:*".parse().map_err(|()| "no pattern".to_owned())?;
    let tried = Kernel::open().and_then(|mut kernel| {
        kernel.trace(&[nobody])?;
        kernel.stop()
    });
    tried.map_err(|error| reason(&error))
}

/// Attributes of a CPU's statistics (`enum ctattr_stats_cpu`).
const DROPPED: u16 = 10;
const EVICTED: u16 = 11;
/// Of so many statements one is of every CPU.
const WHOLE: u32 = 20;

/// A chain by family, table and name.
type ChainKey = (u8, String, String);

/// When a chain was told of, and the handles of its rules then.
struct Chain {
    at: Timestamp,
    rules: HashSet<u64>,
}

struct Helper {
    kernel: Kernel,
    input: File,
    output: BufWriter<File>,
    /// What came of a line that is not whole.
    lines: Vec<u8>,
    /// When tracing ends.
    until: Option<Timestamp>,
    chains: HashMap<ChainKey, Chain>,
    /// Chains that a traced packet came by and that are to be told of.
    asked: Vec<ChainKey>,
    /// What each CPU was said to have counted.
    stated: HashMap<u16, [Option<u32>; 2]>,
    statements: u32,
    lost: u64,
    clock: Clock,
}

impl Helper {
    fn run(mut self) -> io::Result<()> {
        loop {
            let (has_orders, has_events) = self.wait()?;
            if has_orders && !self.take_orders()? {
                return Ok(());
            }
            if has_events {
                self.hear()?;
                self.describe()?;
            }
            if self.until.is_some_and(|until| until <= (self.clock)()) {
                self.stop()?;
            }
            self.output.flush()?;
        }
    }

    /// Until there is an order, an event, or the end of the time.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let left = self.until.map(|until| until.since((self.clock)()).max(0) / MILLIS + 1);
        let timeout = match left {
            Some(millis) => PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut wanted = [
            PollFd::new(self.input.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.kernel.events(), PollFlags::POLLIN),
        ];
        match poll(&mut wanted, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok((is_ready(&wanted[0]), is_ready(&wanted[1])))
    }

    /// `false` once standard input has ended.
    fn take_orders(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = self.input.read(&mut buffer)?;
        if count == 0 || self.lines.len() > LONGEST_LINE {
            return Ok(false);
        }
        self.lines.extend_from_slice(&buffer[..count]);
        while let Some(end) = self.lines.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.lines.drain(..=end).collect();
            match std::str::from_utf8(&line).ok().and_then(Order::parse) {
                Some(order) => self.carry_out(&order)?,
                None => self.tell(&Told::Failed("the order is none".to_owned()))?,
            }
        }
        Ok(true)
    }

    fn carry_out(&mut self, order: &Order) -> io::Result<()> {
        match order {
            Order::Stop => self.stop(),
            Order::List => self.list(),
            Order::Statistics => self.state(),
            Order::Trace { flows, time } => match self.kernel.trace(flows) {
                Ok(()) => {
                    let until = (self.clock)().plus(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX / 2));
                    self.until = Some(until);
                    self.tell(&Told::On(until))
                }
                Err(error) => self.tell(&Told::Failed(reason(&error))),
            },
        }
    }

    fn stop(&mut self) -> io::Result<()> {
        if self.until.take().is_some() {
            // Where this fails, the table still ends with the process.
            if let Err(error) = self.kernel.stop() {
                self.tell(&Told::Failed(reason(&error)))?;
            }
            self.tell(&Told::Off)?;
        }
        Ok(())
    }

    /// Tells of all that connection tracking has.
    fn list(&mut self) -> io::Result<()> {
        let Helper { kernel, output, clock, .. } = self;
        let mut written = Ok(());
        // Where the kernel does not answer, what was heard before stays as it is.
        let _ = kernel.list(&mut |message| {
            if written.is_ok() {
                written = Told::Message(clock(), message.whole.to_vec()).write(output);
            }
        });
        written
    }

    /// Tells how full connection tracking's table is, and of each CPU that has counted more of what that costs.
    fn state(&mut self) -> io::Result<()> {
        // A recording that was begun meanwhile knows from here on what is more.
        if self.statements.is_multiple_of(WHOLE) {
            self.stated.clear();
        }
        self.statements = self.statements.wrapping_add(1);
        let Helper { kernel, output, stated, clock, .. } = self;
        let mut written = Ok(());
        let _ = kernel.statistics(&mut |message| {
            let is_news = match message.kind {
                CPU_STATISTICS => {
                    let counts = [DROPPED, EVICTED].map(|kind| message.number(kind));
                    stated.insert(message.resource(), counts) != Some(counts)
                }
                kind => kind == TABLE_STATISTICS,
            };
            if is_news && written.is_ok() {
                written = Told::Message(clock(), message.whole.to_vec()).write(output);
            }
        });
        written
    }

    fn tell(&mut self, told: &Told) -> io::Result<()> {
        told.write(&mut self.output)
    }

    /// Hands the waiting events on, and notes which chains they are the first of.
    fn hear(&mut self) -> io::Result<()> {
        let Helper { kernel, output, chains, asked, clock, .. } = self;
        let mut written = Ok(());
        let was_lost = kernel.hear(&mut |message| {
            if message.kind == TRACE && written.is_ok() {
                let now = clock();
                written = Told::Message(now, message.whole.to_vec()).write(output);
                note_chain(&message, now, chains, asked);
            }
        })?;
        written?;
        if was_lost {
            self.lost += 1;
            self.tell(&Told::Lost(self.lost))?;
        }
        Ok(())
    }

    /// Hands on what the kernel says of new chains and their rules: what a replay names them by.
    fn describe(&mut self) -> io::Result<()> {
        for key in std::mem::take(&mut self.asked) {
            if self.chains.len() >= MOST_CHAINS {
                self.chains.clear();
            }
            let now = (self.clock)();
            let Helper { kernel, output, .. } = self;
            let (mut rules, mut written) = (HashSet::new(), Ok(()));
            let (family, table, chain) = &key;
            // A chain that is gone by now has no rules to name.
            let _ = kernel.describe(*family, table, chain, &mut |message| {
                if matches!(message.kind, NEW_CHAIN | NEW_RULE) && written.is_ok() {
                    rules.extend(rule_handle(&message));
                    written = Told::Message(now, message.whole.to_vec()).write(output);
                }
            });
            written?;
            self.chains.insert(key, Chain { at: now, rules });
        }
        Ok(())
    }
}

/// Remembers to tell of the chain of a trace message, where it or its rule is new.
fn note_chain(
    message: &Received<'_>,
    now: Timestamp,
    chains: &HashMap<ChainKey, Chain>,
    asked: &mut Vec<ChainKey>,
) {
    /// Attributes of `NFT_MSG_TRACE`.
    const TABLE: u16 = 1;
    const CHAIN: u16 = 2;
    const RULE: u16 = 3;
    let name = |kind| {
        Some(std::ffi::CStr::from_bytes_until_nul(message.attribute(kind)?).ok()?.to_str().ok()?.to_owned())
    };
    let Some((table, chain)) = name(TABLE).zip(name(CHAIN)) else { return };
    let key = (message.family(), table, chain);
    let handle = message.attribute(RULE).and_then(|value| Some(u64::from_be_bytes(*value.first_chunk()?)));
    let is_told = chains.get(&key).is_some_and(|known| {
        handle.is_none_or(|handle| known.rules.contains(&handle)) || now.since(known.at) < AGAIN
    });
    if !is_told && !asked.contains(&key) {
        asked.push(key);
    }
}

fn rule_handle(message: &Received<'_>) -> Option<u64> {
    /// `NFTA_RULE_HANDLE`.
    const HANDLE: u16 = 3;
    let value = message.attribute(HANDLE).filter(|_| message.kind == NEW_RULE)?;
    Some(u64::from_be_bytes(*value.first_chunk()?))
}

/// What went wrong, and where that is known what it means.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EPERM) => "the right CAP_NET_ADMIN is missing".to_owned(),
        Some(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {
            format!(
                "this kernel's nf_tables cannot do it ({error}); it needs nf_tables since 5.12, with nft_ct"
            )
        }
        _ => error.to_string(),
    }
}
