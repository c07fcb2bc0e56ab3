//! What is traced in the kernel for a journey.

use crate::model::{FlowEnd, FlowPattern, Journey, Leg, Phase, Tuple};

/// The connections to trace for `journey`, on each of its legs before and behind every translation: its very own
/// while it is open, and those of the same ends when it is over, as they will come from another port.
pub fn flows(journey: &Journey) -> Vec<FlowPattern> {
    let is_open = journey.trail.phase == Phase::Open;
    let mut found: Vec<FlowPattern> = Vec::new();
    for flow in journey.trail.legs.iter().flat_map(tuples) {
        let mut flow = FlowPattern::exactly(flow);
        if !is_open {
            flow.client = FlowEnd { port: None, ..flow.client };
        }
        if !found.contains(&flow) {
            found.push(flow);
        }
    }
    found
}

/// Every face of a leg; one that none was kept of still has its ends.
fn tuples(leg: &Leg) -> Vec<Tuple> {
    let ends = leg.target.map(|dst| Tuple { protocol: leg.protocol, src: leg.client, dst });
    if leg.faces.is_empty() { ends.into_iter().collect() } else { leg.faces.to_vec() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timeline::sample;

    #[test]
    fn an_open_journey_is_traced_by_its_ports_and_another_by_its_ends() {
        let mut journey = sample::all().swap_remove(0);
        let trail = Arc::make_mut(&mut journey.trail);
        trail.phase = Phase::Open;
        let open: Vec<String> = flows(&journey).iter().map(ToString::to_string).collect();
        Arc::make_mut(&mut journey.trail).phase = Phase::Answered;
        let over: Vec<String> = flows(&journey).iter().map(ToString::to_string).collect();
        // Before its translation, and behind it.
        assert_eq!((open.len(), over.len()), (2, 2), "{open:?} {over:?}");
        let client = journey.trail.legs[0].client;
        assert!(open[0].contains(&format!("{}/32:{}", client.ip, client.port)), "{open:?}");
        assert!(over[0].contains(&format!("{}/32:*", client.ip)), "{over:?}");
        for flow in open.iter().chain(&over) {
            assert_eq!(flow.parse::<FlowPattern>().map(|flow| flow.to_string()).as_ref(), Ok(flow));
        }
    }
}
