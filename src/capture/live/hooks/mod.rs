//! Hook tracing: nf_tables is asked to tell of every rule and hook that the packets of chosen connections pass. What
//! connection tracking is asked once the rights are gone goes the same way.
//!
//! ```text
//!  Tracer ─ orders ─▶ helper (CAP_NET_ADMIN only) ─▶ nf_tables: a table of our own
//!     ▲                  │ ◀─ trace messages, the rules they name, conntrack's table and statistics
//!     └──── pipe ────────┘
//! ```

mod helper;
mod kernel;
mod message;
mod table;
mod tracer;
mod wire;

pub use self::helper::{can_trace, serve};
pub(super) use self::tracer::{Subjects, Tracer};
pub use self::tracer::{TraceControl, TraceState};
pub use self::wire::MOST_FLOWS;
