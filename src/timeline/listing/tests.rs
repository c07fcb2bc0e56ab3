use proptest::prelude::*;

use super::*;
use crate::model::{MILLIS, Outcome, Stage, Way};
use crate::timeline::{Manner, sample};

fn at(millis: i64) -> Timestamp {
    sample::START.plus(millis * MILLIS)
}

/// One of five kinds of journeys.
fn journey(id: u64, millis: i64, kind: usize, revision: u32) -> Arc<Journey> {
    let makers = [sample::other_node, sample::same_node, sample::lost, sample::refused, sample::lookup];
    let mut journey = makers[kind % makers.len()](id, at(millis));
    Arc::make_mut(&mut journey.trail).revision = revision;
    journey.ended = journey.ended.plus((id as i64 % 7) * MILLIS);
    Arc::new(journey)
}

fn ids(listing: &Listing) -> Vec<String> {
    let name = |row: &Row<'_>| match row {
        Row::Journey(journey) => journey.id.to_string(),
        Row::Group { group, is_open, .. } => format!("{}{}", if *is_open { "-" } else { "+" }, group.count()),
    };
    listing.window(0, usize::MAX >> 1).iter().map(name).collect()
}

fn stored() -> Store {
    let mut store = Store::new(100);
    // Kinds: across 1 and 6, on one node 2, lost 3, refused 4, a lookup that failed 5.
    for id in 1..=6 {
        store.upsert(journey(id, id as i64 * 10, (id as usize - 1) % 5, 1));
    }
    store
}

fn listed(store: &Store, order: Order, grouping: Grouping, moment: Moment) -> Listing {
    let mut listing = Listing::new(order);
    listing.set_grouping(grouping);
    sample::with_context(Manner::default(), |context| listing.update(store, &[], moment, context));
    listing
}

#[test]
fn journeys_stand_in_the_order_that_is_asked_for() {
    let store = stored();
    let stage = Stage { way: Way::Request, number: 5 };
    for (order, expected) in [
        (Order::Start, ["1", "2", "3", "4", "5", "6"]),
        (Order::Newest, ["6", "5", "4", "3", "2", "1"]),
        // 6 ms, 5 ms, 4 ms, 2 ms and 1 ms more than the sample; the lost one last.
        (Order::Delay, ["6", "5", "4", "1", "2", "3"]),
        (Order::Errors, ["5", "4", "3", "2", "6", "1"]),
        (Order::Stage(stage), ["1", "6", "4", "2", "3", "5"]),
    ] {
        let listing = listed(&store, order, Grouping::None, Moment::End);
        assert_eq!(ids(&listing), expected, "{order:?}");
        assert_eq!(listing.tally(), Tally { journeys: 6, bad: 3 });
    }
    let cycle = std::iter::successors(Some(Order::Start), |order| Some(order.next(Some(stage))));
    assert_eq!(cycle.take(6).last(), Some(Order::Start));
}

#[test]
fn groups_open_close_and_have_figures() {
    let store = stored();
    let mut listing = listed(&store, Order::Start, Grouping::Path, Moment::End);
    assert_eq!(ids(&listing), ["+4", "+1", "+1"]);
    let Some(Row::Group { key, group, .. }) = listing.window(0, 1).first().copied() else {
        panic!("groups are listed")
    };
    assert_eq!((group.bad, group.server_errors, group.durations.count()), (1, 1, 3));
    assert_eq!(*key, GroupKey::Path("pod-to-service".into()));
    let head = listing.set_open(&RowId::Journey(4), true).expect("it is in a group");
    assert_eq!(ids(&listing), ["-4", "1", "2", "4", "6", "+1", "+1"]);
    assert_eq!((listing.place(&head), listing.place(&RowId::Journey(4))), (Some(0), Some(3)));
    assert_eq!(listing.place(&RowId::Journey(5)), Some(6), "in the row of its closed group");
    assert_eq!(listing.row(4), Some(RowId::Journey(6)));
    assert_eq!(listing.journeys().map(|journey| journey.id).collect::<Vec<_>>(), [1, 2, 4, 6, 3, 5]);
    listing.set_open(&RowId::Journey(4), false);
    assert_eq!(ids(&listing), ["+4", "+1", "+1"]);
    let ends = listed(&store, Order::Newest, Grouping::Ends, Moment::End);
    assert_eq!(ids(&ends), ["+2", "+1", "+1", "+1", "+1"], "one client, several servers");
}

#[test]
fn an_open_group_stays_open_when_its_journey_is_revised() {
    let mut store = stored();
    let mut listing = listed(&store, Order::Start, Grouping::Path, Moment::End);
    listing.set_open(&RowId::Journey(5), true);
    store.upsert(journey(5, 50, 4, 2));
    sample::with_context(Manner::default(), |context| listing.update(&store, &[5], Moment::End, context));
    assert_eq!(ids(&listing), ["+4", "+1", "-1", "5"]);
}

#[test]
fn before_its_end_a_journey_is_listed_as_it_stood() {
    let store = stored();
    let mut listing = Listing::new(Order::Errors);
    sample::with_context(Manner::default(), |context| {
        listing.update(&store, &[], Moment::At(at(30)), context);
        assert_eq!(ids(&listing), ["2", "3", "1"], "that 3 is lost is not known yet");
        assert_eq!(listing.tally(), Tally { journeys: 3, bad: 0 });
        listing.set_filter(Expr::parse("outcome == lost").ok());
        listing.update(&store, &[], Moment::At(at(40)), context);
        assert_eq!(ids(&listing), [""; 0]);
        listing.update(&store, &[], Moment::At(at(9_000)), context);
        assert_eq!((ids(&listing), listing.fitting()), (vec!["3".to_owned()], 1));
        listing.update(&store, &[], Moment::At(at(20)), context);
        assert_eq!((ids(&listing).len(), listing.tally().journeys), (0, 2));
    });
}

fn every_order() -> impl Strategy<Value = (Order, Grouping, Option<&'static str>)> {
    let stage = Order::Stage(Stage { way: Way::Request, number: 5 });
    (
        prop::sample::select(vec![Order::Start, Order::Newest, Order::Delay, Order::Errors, stage]),
        prop::sample::select(vec![Grouping::None, Grouping::Path, Grouping::Ends]),
        prop::sample::select(vec![None, Some("outcome != lost"), Some("path == pod-to-service")]),
    )
}

/// What is said of every row.
fn told(listing: &Listing) -> Vec<String> {
    let rows = listing.window(0, usize::MAX >> 1);
    rows.iter()
        .map(|row| match row {
            Row::Journey(journey) => format!("{} {}", journey.id, journey.trail.revision),
            Row::Group { key, group, is_open } => format!(
                "{key:?} {is_open} {} {} {} {}",
                group.count(),
                group.bad,
                group.server_errors,
                group.durations.count()
            ),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    /// Kept up step by step it is what it would be if made anew.
    #[test]
    fn a_listing_kept_up_is_the_one_made_anew(
        (order, grouping, filter) in every_order(),
        steps in prop::collection::vec((1u64..40, 0i64..4_000, 0usize..5, 0i64..5_000, any::<bool>()), 1..60),
    ) {
        let mut store = Store::new(25);
        let mut kept = Listing::new(order);
        kept.set_grouping(grouping);
        kept.set_filter(filter.and_then(|text| Expr::parse(text).ok()));
        let mut now = 0;
        sample::with_context(Manner::default(), |context| {
            for (revision, (id, start, kind, then, is_end)) in (0..).zip(steps) {
                let mut changed = vec![id];
                if kind == 4 && start % 3 == 0 {
                    store.withdraw(id);
                } else {
                    changed.extend(store.upsert(journey(id, start, kind, revision)).map(|gone| gone.id));
                }
                now = if then % 5 == 0 { then } else { now.max(then) };
                let moment = if is_end { Moment::End } else { Moment::At(at(now)) };
                kept.update(&store, &changed, moment, context);
                if let Some(row) = kept.row(id as usize % 5) {
                    kept.set_open(&row, true);
                }
                let mut anew = Listing::new(order);
                anew.set_grouping(grouping);
                anew.set_filter(filter.and_then(|text| Expr::parse(text).ok()));
                anew.update(&store, &[], moment, context);
                anew.open.clone_from(&kept.open);
                prop_assert_eq!(told(&kept), told(&anew));
                prop_assert_eq!((kept.tally(), kept.fitting(), kept.len()), (anew.tally(), anew.fitting(), anew.len()));
                for place in 0..kept.len() {
                    let row = kept.row(place).expect("a row in every place");
                    prop_assert_eq!(kept.place(&row), Some(place));
                }
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_failed_outcome_is_an_error() {
    let failed = journey(1, 0, 4, 1);
    assert_eq!(failed.verdict.outcome, Outcome::Failed);
    assert!(Order::Errors.key(&failed) < Order::Errors.key(&journey(0, 99, 1, 1)));
}
