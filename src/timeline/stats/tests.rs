use super::*;
use crate::model::MICROS;
use crate::timeline::{Manner, sample};

fn counted() -> Statistics {
    sample::with_context(Manner::default(), |context| {
        let mut statistics = Statistics::default();
        for journey in sample::all() {
            statistics.add(&journey, context);
        }
        statistics
    })
}

#[test]
fn parts_that_are_merged_count_what_the_whole_does() {
    let parts = sample::with_context(Manner::default(), |context| {
        let mut whole = Statistics::default();
        for journey in sample::all() {
            let mut part = Statistics::default();
            part.add(&journey, context);
            whole.merge(&part);
        }
        whole
    });
    let whole = counted();
    let stages = |counted: &Statistics| {
        let figures = |series: &Series| (series.count(), series.percentile(50.0), series.max());
        counted.stages.iter().map(|(key, series)| (key.clone(), figures(series))).collect::<Vec<_>>()
    };
    assert_eq!(stages(&parts), stages(&whole));
    let paths = |counted: &Statistics| {
        let figures = |path: &PathSeries| (path.journeys, path.bad, path.durations.count());
        counted.paths.iter().map(|(key, path)| (key.clone(), figures(path))).collect::<Vec<_>>()
    };
    assert_eq!(paths(&parts), paths(&whole));
    let chains = |counted: &Statistics| {
        counted.chains.iter().map(|(key, series)| (*key, series.count())).collect::<Vec<_>>()
    };
    assert_eq!(chains(&parts), chains(&whole));
}

#[test]
fn stages_are_counted_by_path_and_node() {
    let statistics = counted();
    let key = |number, node| StageKey {
        path: "pod-to-service".into(),
        stage: Stage { way: Way::Request, number },
        node,
    };
    let series = &statistics.stages[&key(8, Some(sample::B))];
    assert_eq!(series.count(), 3, "two across and the refused one");
    assert!((50 * MICROS..52 * MICROS).contains(&series.percentile(50.0)), "{}", series.percentile(50.0));
    assert!(!statistics.stages.contains_key(&key(10, None)), "skipped stages have no delay");
}

#[test]
fn proxies_are_counted_by_node_kind_and_way() {
    let statistics = sample::with_context(Manner::default(), |context| {
        let mut whole = Statistics::default();
        for journey in sample::proxies::all() {
            let mut part = Statistics::default();
            part.add(&journey, context);
            whole.merge(&part);
        }
        whole
    });
    let counted: Vec<_> = statistics
        .proxies
        .iter()
        .map(|(key, series)| (key.node, key.kind, key.way, series.count(), series.max() / MICROS))
        .collect();
    assert_eq!(
        counted,
        [
            (Some(sample::A), Proxy::Haproxy, Way::Request, 4, 620),
            (Some(sample::A), Proxy::Haproxy, Way::Reply, 4, 90),
            // The try that was given up does not count.
            (Some(sample::B), Proxy::Traefik, Way::Request, 3, 1_410),
            (Some(sample::B), Proxy::Traefik, Way::Reply, 2, 380),
        ]
    );
}

#[test]
fn journeys_are_counted_by_path_and_route() {
    let statistics = counted();
    let across = &statistics.paths[&("pod-to-service".into(), "other-node".into())];
    assert_eq!((across.journeys, across.bad, across.durations.count()), (3, 1, 2));
}

#[test]
fn chains_are_measured_on_one_node_and_by_kind_of_packet() {
    let statistics = counted();
    let first = &statistics.chains[&(sample::A, Packets::First)];
    // The lookup and the lost SYN: 21 and 44 µs.
    assert_eq!(first.count(), 2);
    let later = &statistics.chains[&(sample::B, Packets::Later)];
    assert!(later.count() >= 4 && later.max() < 40 * MICROS, "{} {}", later.count(), later.max());
}

#[test]
fn a_packet_lost_on_the_node_is_not_timed_by_its_repeat() {
    use Direction::{In, Out};
    use sample::{BOND_A, CART};
    sample::with_context(Manner::default(), |context| {
        let server = sample::endpoint("10.244.2.33", 9090);
        let leg = sample::leg(Protocol::Tcp, sample::endpoint("10.244.1.17", 51_044), server, server);
        let exchange = sample::http("GET", "/", Some(200));
        let journey = sample::Builder::new(1, "test", "test", sample::START, leg, exchange)
            .sighting(Way::Request, CART, In, 0, Part::Head)
            .sighting(Way::Request, CART, In, 200_000, Part::Head)
            .sighting(Way::Request, BOND_A, Out, 200_030, Part::Head)
            .trail(|trail| trail.sightings[1].is_repeat = true)
            .done(sample::verdict(Outcome::Complete, ""));
        let mut statistics = Statistics::default();
        statistics.add(&journey, context);
        assert!(statistics.chains.is_empty(), "{:?}", statistics.chains.keys());
    });
}

#[test]
fn distinct_stages_are_bounded_and_the_rest_is_counted() {
    sample::with_context(Manner::default(), |context| {
        let mut statistics = Statistics::default();
        for index in 0..300 {
            let mut journey = sample::other_node(index, sample::START);
            journey.path = format!("path-{index}").into();
            statistics.add(&journey, context);
        }
        assert_eq!(statistics.stages.len(), STAGE_BOUND);
        assert!(statistics.uncounted > 0);
    });
}
