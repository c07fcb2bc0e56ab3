//! hopline follows packets through a Kubernetes node and draws where they went.
//!
//! ```text
//!  source ─▶ capture ─▶ decode ─▶ correlate ─▶ stages ─▶ timeline ─▶ tui
//!            Frame      Packet    Trail        Journey   View    └▶ report ─▶ check
//! ```
//! Each room knows only those before it; `app` wires them. `ARCHITECTURE.md` is the map.

pub mod app;
pub mod capture;
pub mod check;
pub mod config;
pub mod correlate;
pub mod decode;
pub mod model;
pub mod report;
pub mod stages;
pub mod timeline;
pub mod tui;
