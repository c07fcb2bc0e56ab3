//! Holds recordings against their expectations: `expect.toml` beside them says in a few facts what they show.
//!
//! ```toml
//! about = "a pod calls a Service whose pod is on another node"
//! journeys = 12            # how many there are; what is left out is not checked
//! lookups = 4
//! unclassified = 0
//!
//! [input]                  # only where a recording needs it
//! files = ["kappa1.pcapng", "kappa2.pcapng"]   # else every recording in the directory
//! ifmap = ["3=bond1,7=cali6f1d"]               # as --ifmap
//! clock = ["kappa2=+3.7s"]                     # as --clock
//!
//! [[journey]]
//! find = "target == 10.43.7.7 and url == /r/1" # a journey expression; else every journey fits
//! nth = 1                  # which of those that fit, by start; 1 without it
//! path = "pod-to-service"
//! route = "other-node"
//! outcome = "complete"
//! where = "-"              # of the verdict: kind and node, as in "host kappa2", or the kind alone; - is none
//! after = "⑩kappa2"        # the last stage seen, of what was lost
//! before = "⑥kappa2"       # the first stage missing
//! server = "10.244.2.11:8080"
//! status = 200
//! translations = ["dnat kappa1 10.43.7.7:80 > 10.244.2.11:8080"]
//! legs = ["10.244.1.17:45700 > 10.244.2.11:8080"]
//! handoffs = ["1 > 2 haproxy kappa1 sure"]     # of an exchange through proxies
//! request = "①· ④kappa1 ⑤kappa1~ ⑦kappa1 ⑧kappa2 ⑥kappa2 ⑨kappa2~"
//! reply = "(1)kappa2 (2)kappa2~ (3)kappa2 (4)kappa1 (5)kappa1 (6)kappa1~"
//!
//! [[journey]]
//! find = "path == ingress-to-pod"
//! every = true             # the facts hold for each journey that fits
//! count = 40               # and so many fit
//! outcome = "complete"
//! ```
//! A stage is its number, its node and how it stands: nothing for seen, `~` bounded, `✗` missing, `…` waiting,
//! `·` outside. Stages that the route skips are not listed. [`Facts`] names every key.
//!
//! This room never decides anything about packets.

mod compare;
mod expectations;
mod junit;
mod way;

pub use compare::compare;
pub use expectations::{Expectations, ExpectationsError, Facts, InputPart};
pub use junit::{Case, junit};

/// The file that makes a directory a case.
pub const FILE_NAME: &str = "expect.toml";
