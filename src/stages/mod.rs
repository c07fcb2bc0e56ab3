//! Path templates number a trail into a journey and give the verdict.
//!
//! ```text
//!  Trail ─▶ legs ─▶ followed ─▶ facts ─▶ route ─▶ walk ─▶ verdict ─▶ conclusion ─▶ Journey
//!           one by  which       who and   of a     state   of each    outcome, place,
//!           one     packet      where     template of each leg        sentence
//!                                                  visit
//! ```
//! - `legs` takes a trail through proxies apart, `course` puts its legs behind one another again;
//! - `followed` picks the packet whose way is drawn and its first sighting at each capture point;
//! - `facts` says which node each side lives on and of which path the trail is;
//! - `template` and `read` hold the numbered routes of `assets/paths/*.toml`;
//! - `hooks` makes the kernel stages seen that were traced;
//! - `walk` lays the sightings on the route's steps and says what became of each;
//! - `tracked` and `routing` say what a node's connection tracking and routes tell of a loss;
//! - `verdict` judges a leg, `detail` words it, and `conclusion` says what all legs come to.
//!
//! Order comes from the template, never from time alone: two nodes' clocks differ. What no capture point
//! could show is `outside`, never `missing`. This room never looks at packets.

mod conclusion;
mod course;
mod detail;
mod error;
mod facts;
mod followed;
mod hooks;
mod legs;
mod place;
mod read;
mod routing;
mod template;
mod tracked;
mod verdict;
mod walk;

#[cfg(test)]
mod testbed;
#[cfg(test)]
mod tests;

pub use error::TemplateError;
pub use place::World;
pub use routing::told as told_of_routes;
pub use template::{Fact, Letter, Route, Spot, StageLabel, Step, Template, Templates};
