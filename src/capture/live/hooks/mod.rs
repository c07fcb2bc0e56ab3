//! Hook tracing: nf_tables is asked to tell of every rule and hook that the packets of chosen connections pass.
//!
//! ```text
//!  Tracer ─ orders ─▶ helper (CAP_NET_ADMIN only) ─▶ nf_tables: a table of our own
//!     ▲                  │ ◀─ trace messages, and the rules they name
//!     └──── pipe ────────┘
//! ```

mod helper;
mod kernel;
mod message;
mod table;
mod tracer;
mod wire;

pub use self::helper::{can_trace, serve};
pub(super) use self::tracer::Tracer;
pub use self::tracer::{TraceControl, TraceState};
pub use self::wire::MOST_FLOWS;
