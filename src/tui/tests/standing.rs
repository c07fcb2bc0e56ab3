//! What there was no room for.

use super::*;
use crate::model::{NodeId, TableCounts, TrackingTable};

#[test]
fn a_full_table_is_noticed_once_and_its_cost_stands_there() {
    let mut screen = live(Manner::default());
    let mut topology = sample::topology();
    let mut table = TrackingTable::default();
    table.resize(sample::START, 262_144, 262_144);
    for (second, counts) in [(1, (12, 0)), (2, (30, 4))] {
        let (from, until) = (second - 1, second);
        let at = |second: i64| sample::START.plus(second * SECONDS);
        table.note(at(from), at(until), TableCounts { dropped: counts.0, evicted: counts.1 });
        topology.tables.insert(NodeId(0), table.clone());
        screen.take(News::World(Arc::new(topology.clone()), Arc::new(sample::clocks())));
    }
    let shown = shown(&mut screen, WIDE, "!");
    let told = |cost: &str| {
        let sentence = "kappa1's conntrack table is full (262144 of 262144 entries); so far packets of new";
        shown.lines().filter(|line| line.contains(sentence) && line.contains(cost)).count()
    };
    assert_eq!((told("dropped: 12"), told("dropped: 42")), (1, 1), "{shown}");
}
