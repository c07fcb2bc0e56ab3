//! The list's orders, groups and hold, and the page of statistics, on whole screens.

use super::*;
use crate::timeline::listing::Tally;
use crate::timeline::stats::Counts;

/// A journey that begins `seconds` after the sample's first.
fn later(id: u64, seconds: i64) -> News {
    News::Journey(Arc::new(sample::other_node(id, sample::START.plus(seconds * SECONDS))))
}

fn click(screen: &mut Screen, column: u16, row: u16) {
    let kind = MouseEventKind::Down(MouseButton::Left);
    screen.handle(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

#[test]
fn a_list_that_is_held_stays_and_counts_what_comes() {
    let mut screen = screen(Manner::default(), Speed::Max);
    let before = shown(&mut screen, NARROW, "oF");
    assert!(before.contains("newest first  held still") && before.contains("7/7"), "{before}");
    screen.take(later(100, 4));
    screen.take(later(101, 5));
    screen.take(News::Withdraw(1));
    let held = shown(&mut screen, NARROW, "");
    assert!(held.contains("held still 2 more since") && held.contains("7/7"), "{held}");
    let rows = |shown: &str| shown.lines().skip(3).take(7).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&held), rows(&before));
    let on = shown(&mut screen, NARROW, "F");
    assert!(on.contains("/8") && !on.contains("held still"), "{on}");
    // A filter that is typed while it is held is in force at once.
    let filtered = shown(&mut screen, NARROW, "Ffoutcome == lost⏎");
    assert!(filtered.contains("1/1") && filtered.contains("held still"), "{filtered}");
}

#[test]
fn names_that_come_later_make_a_filter_fit() {
    let mut screen = screen(Manner::default(), Speed::Max);
    let none = shown(&mut screen, NARROW, "fserver == basket⏎");
    assert!(none.contains("none matches the filter"), "{none}");
    let mut topology = sample::topology();
    topology.names.addresses.insert(sample::ip("10.244.2.33"), "basket".into());
    screen.take(News::World(Arc::new(topology), Arc::new(sample::clocks())));
    let some = shown(&mut screen, NARROW, "");
    assert!(some.contains("1/4"), "{some}");
}

#[test]
fn what_is_counted_step_by_step_is_what_there_is() {
    let mut screen = screen(Manner::default(), Speed::Max);
    for id in 0..40 {
        screen.take(later(200 + id, id as i64 % 7));
    }
    // A newer revision, an older one, and one that is taken back.
    for (revision, micros) in [(2, 900), (1, 5_000)] {
        let mut journey = sample::same_node(201, sample::START.plus(SECONDS));
        Arc::make_mut(&mut journey.trail).revision = revision + 1;
        journey.ended = journey.started.plus(micros * 1000);
        screen.take(News::Journey(Arc::new(journey)));
    }
    screen.take(News::Withdraw(205));
    screen.refresh(Duration::ZERO, 160, 50);
    let mut anew = Counts::default();
    screen.store.iter().for_each(|journey| anew.replace(None, Some(journey), &screen.context()));
    let told = |counts: &Counts| {
        let lines = crate::timeline::tables::statistics(&counts.statistics, &screen.context(), 200);
        lines.iter().map(|line| line.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&screen.counts), told(&anew));
    assert_eq!(screen.tally, Tally { journeys: 46, bad: 3 });
}

#[test]
fn a_click_opens_a_group_and_chooses_a_measure() {
    let mut screen = screen(Manner::default(), Speed::Max);
    shown(&mut screen, NARROW, "O");
    click(&mut screen, 10, 3);
    let open = shown(&mut screen, NARROW, "");
    assert!(open.contains("▸ - pod→service"), "{open}");
    shown(&mut screen, WIDE, "s");
    let chosen = |shown: &str| shown.lines().position(|line| line.contains("▸")).expect("a chosen row");
    let before = shown(&mut screen, WIDE, "");
    let stage = before.lines().position(|line| line.contains("pod→service  ⑤")).expect("the stage");
    assert_ne!(chosen(&before), stage);
    click(&mut screen, 10, stage as u16);
    let after = shown(&mut screen, WIDE, "");
    assert_eq!(chosen(&after), stage);
    click(&mut screen, 10, stage as u16);
    let listed = shown(&mut screen, WIDE, "");
    assert!(
        listed.contains("longest at ⑤") && listed.contains("filter: path == pod-to-service and"),
        "{listed}"
    );
    assert!(shown(&mut screen, WIDE, "o").contains("oldest first"), "after a stage's order it begins anew");
    assert!(shown(&mut screen, WIDE, "oooo").contains("longest at ⑤"), "and the stage stays one of them");
}

#[test]
fn while_it_plays_the_list_has_what_had_happened() {
    let mut screen = screen(Manner::default(), Speed::Times(1.0));
    let start = shown(&mut screen, NARROW, "ooo");
    assert!(start.contains("errors first") && start.contains("1/1"), "{start}");
    screen.refresh(Duration::from_millis(1_500), NARROW.0, NARROW.1);
    let first = |shown: &str| shown.lines().nth(3).unwrap_or("").to_owned();
    let before = shown(&mut screen, NARROW, " g");
    assert!(before.contains("6/6") || before.contains("1/6"), "{before}");
    assert!(first(&before).contains("12:03:19.900"), "the lost one is not known to be: {before}");
    press(&mut screen, "]]]]]]]]]]");
    let after = shown(&mut screen, NARROW, "g");
    assert!(first(&after).contains("12:03:20.200") && first(&after).contains('✗'), "{after}");
}
