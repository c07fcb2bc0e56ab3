//! Where the routes of nodes would have had a packet go that did not arrive.

use super::Sheet;
use crate::model::{Journey, Outcome, Way};
use crate::stages::told_of_routes;
use crate::timeline::Tone;
use crate::timeline::words::Word;

impl Sheet<'_> {
    pub(super) fn routes(&mut self, journey: &Journey) {
        let expected = &journey.trail.expected;
        if expected.is_empty() || journey.verdict.outcome == Outcome::Complete {
            return;
        }
        self.section(Word::Routes);
        for expected in expected {
            let (way_tone, way) = match expected.way {
                Way::Request => (Tone::Request, self.word(Word::Asking)),
                Way::Reply => (Tone::Reply, self.word(Word::Answering)),
            };
            let tone = if expected.barrier().is_some() { Tone::Bad } else { Tone::Plain };
            let told = told_of_routes(expected, self.context.topology);
            let told = self.context.manner.told(&told);
            self.fact(&[(way_tone, way), (tone, &told)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Barrier, Expected, Ip, NodeId, Onward, Trail, VantageId};
    use crate::timeline::evidence::lines;
    use crate::timeline::{Language, Line, Manner, sample};

    #[test]
    fn what_routes_say_is_told_of_what_did_not_arrive() {
        let told = |outcome, language| {
            sample::with_context(Manner::new(language), |context| {
                let mut journey = sample::all()[0].clone();
                let expected = Expected {
                    node: NodeId(0),
                    leg: 0,
                    way: Way::Request,
                    vantage: VantageId(0),
                    left: None,
                    source: Ip::v4([10, 244, 1, 17]),
                    destination: Ip::v4([10, 9, 9, 9]),
                    onward: Onward::Barred(Barrier::NoRoute),
                };
                let trail = Trail { expected: vec![expected], ..(*journey.trail).clone() };
                (journey.trail, journey.verdict.outcome) = (Arc::new(trail), outcome);
                lines(&journey, context, 140).iter().map(Line::text).collect::<String>()
            })
        };
        assert!(told(Outcome::Lost, Language::En).contains("request kappa1 has no route to 10.9.9.9"));
        assert!(told(Outcome::Lost, Language::Zh).contains("kappa1 没有到 10.9.9.9 的路由"));
        assert!(!told(Outcome::Complete, Language::En).contains("10.9.9.9"));
    }
}
