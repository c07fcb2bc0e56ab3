//! Who goes first: what the node is for, and capturing, before analysing.

use rustix::process::nice;

/// The thread stands back by `by` steps of nice(2) from where it is, and so does every thread it starts. Nobody needs a
/// right for that; on Linux it is each thread's own.
pub(super) fn stand_back(by: i32) {
    if by > 0 {
        // Where a system does not want it, everything works as before.
        let _ = nice(by);
    }
}
