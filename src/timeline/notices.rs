//! What a capture under way has to tell, in sentences.

use std::fmt::Write as _;

use crate::model::{Apart, ClusterState, Notice, StreamState};
use crate::timeline::Manner;
use crate::timeline::words::Word;

/// One sentence, in the manner's language. What the system says itself stays as it is.
pub fn sentence(notice: &Notice, manner: Manner) -> String {
    let word = |word| manner.word(word);
    match notice {
        Notice::Came(name) => format!("{name} {}", word(Word::IsNew)),
        Notice::Gone(name) => format!("{name} {}", word(Word::IsGone)),
        Notice::Renamed { before, now } => format!("{before} {} {now}", word(Word::IsNow)),
        Notice::Failed(what) => what.clone(),
        Notice::Apart(why) => apart(why, manner),
        Notice::Deaf { what, cause } => {
            format!("{what} {} ({cause}); {}", word(Word::NotSeen), word(Word::PacketsAlone))
        }
        Notice::CannotWrite { path, cause } => {
            format!("{path} {} ({cause}); {}", word(Word::Stuck), word(Word::StaysReadable))
        }
        Notice::WritesAgain { path, missed } => format!("{path} {} {missed}", word(Word::WrittenAgain)),
        Notice::Node { node, state } => format!("{node}: {}", stream(state, manner)),
        Notice::Cluster { server, state } => format!("{server}: {}", cluster(state, manner)),
        Notice::TraceOn => word(Word::TraceBegun).to_owned(),
        Notice::TraceOff => word(Word::TraceEnded).to_owned(),
        Notice::NotTraced(why) => format!("{}: {why}", word(Word::NotTraced)),
        Notice::TraceLost => word(Word::TraceMessagesLost).to_owned(),
        Notice::NoRoom(sentence) => manner.told(sentence).into_owned(),
        Notice::NotWritten { packets } => format!("{packets} {}", word(Word::TooSlowDisk)),
    }
}

fn apart(why: &Apart, manner: Manner) -> String {
    let each = manner.word(Word::EachByItself);
    match why {
        Apart::OldLibpcap => format!("{}: {each}", manner.word(Word::OldLibpcap)),
        Apart::Filter => format!("--filter {}: {each}", manner.word(Word::EthernetFilter)),
        Apart::Vlans(names) => format!("{names}: {}", manner.word(Word::VlansByItself)),
    }
}

fn cluster(state: &ClusterState, manner: Manner) -> String {
    let word = |word| manner.word(word);
    match state {
        ClusterState::Failing { what, why } => {
            format!("{what} {} ({why}); {}", word(Word::NotWatched), word(Word::NamesStay))
        }
        ClusterState::Again => word(Word::NamesAgain).to_owned(),
        ClusterState::Ended { why } => format!("{} ({why})", word(Word::NoMoreNames)),
    }
}

fn stream(state: &StreamState, manner: Manner) -> String {
    let (why, again_s) = match state {
        StreamState::Begun => return manner.word(Word::CommandStarted).to_owned(),
        StreamState::Flowing => return manner.word(Word::FirstBytes).to_owned(),
        StreamState::Ended { why, again_s } => (why, again_s),
    };
    let mut out = manner.word(Word::StreamEnded).to_owned();
    if !why.is_empty() {
        let _ = write!(out, " ({why})");
    }
    if let Some(seconds) = again_s {
        let _ = write!(out, "; {} {seconds} s", manner.word(Word::Reconnecting));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Language;

    #[test]
    fn a_cluster_tells_what_fails_and_what_becomes_of_names() {
        let told =
            |state, manner| sentence(&Notice::Cluster { server: "https://api".to_owned(), state }, manner);
        let failing = ClusterState::Failing { what: "pods, nodes".to_owned(), why: "no right".to_owned() };
        assert_eq!(
            told(failing.clone(), Manner::default()),
            "https://api: pods, nodes cannot be watched (no right); names stay as they are, and it is tried again"
        );
        let chinese = told(failing, Manner::new(Language::Zh));
        assert_eq!(chinese, "https://api: pods, nodes 无法监视 (no right); 名称保持不变,并将重试");
        assert_eq!(told(ClusterState::Again, Manner::default()), "https://api: names are watched again");
    }

    #[test]
    fn a_stream_tells_how_it_stands() {
        let ended = |why: &str, again_s| {
            let state = StreamState::Ended { why: why.to_owned(), again_s };
            Notice::Node { node: "kappa2".to_owned(), state }
        };
        let english = |notice| sentence(&notice, Manner::default());
        assert_eq!(english(ended("", Some(4))), "kappa2: the stream ended; again in 4 s");
        assert_eq!(
            english(ended("exit status: 255: no route", None)),
            "kappa2: the stream ended (exit status: 255: no route)"
        );
        let chinese = sentence(&ended("", Some(4)), Manner::new(Language::Zh));
        assert_eq!(chinese, "kappa2: 数据流已结束; 重试倒计时 4 s");
    }
}
