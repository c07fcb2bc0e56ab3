//! How the capture itself stands: what was lost, how other nodes' streams are, what is written, what there was to
//! tell.

use crate::model::{Notice, RecordingState, SourceSummary, StreamState, Timestamp};
use crate::timeline::units::{bytes, time_of_day};
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone, notices};

/// Everything there is to say of it.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    pub sources: &'a [SourceSummary],
    /// Journeys that left the list, over its bound.
    pub forgotten: u64,
    /// Journeys that were closed early, as too many were open.
    pub closed_early: u64,
    /// Other nodes of a live capture.
    pub streams: &'a [Stream],
    /// Whether it is being captured: else nothing is told of writing.
    pub is_live: bool,
    pub recording: Option<&'a RecordingState>,
    /// The newest first.
    pub notices: &'a [(Timestamp, Notice)],
}

/// Another node's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub node: String,
    pub state: StreamState,
    /// Until it is started anew, where it ended.
    pub left_s: u64,
}

/// How a stream stands in a few words: `kappa2 again in 4 s`; and whether that is well.
pub fn stream_text(stream: &Stream, manner: Manner) -> (String, Tone) {
    let (text, tone) = match &stream.state {
        StreamState::Begun => (manner.word(Word::Connecting).to_owned(), Tone::Accent),
        StreamState::Flowing => (manner.word(Word::Connected).to_owned(), Tone::Good),
        StreamState::Ended { again_s: None, .. } => (manner.word(Word::StreamOver).to_owned(), Tone::Bad),
        StreamState::Ended { .. } => {
            (format!("{} {} s", manner.word(Word::Reconnecting), stream.left_s), Tone::Bad)
        }
    };
    (format!("{} {text}", stream.node), tone)
}

/// All of it, each line at most `width` cells wide.
pub fn lines(standing: &Standing<'_>, context: &Context<'_>, width: usize) -> Vec<Line> {
    let manner = context.manner;
    let mut out = Vec::new();
    losses(standing, context, width, &mut out);
    if !standing.streams.is_empty() {
        out.push(Line::new());
        out.push(title(Word::Streams, manner));
        out.extend(standing.streams.iter().map(|stream| stream_line(stream, manner)));
    }
    if standing.is_live {
        out.push(Line::new());
        out.push(title(Word::Writing, manner));
        out.push(recording_line(standing.recording, manner));
        out.push(Line::new());
        out.push(title(Word::Notes, manner));
        if standing.notices.is_empty() {
            out.push(told(Tone::Dim, manner.word(Word::NoNotices)));
        }
    }
    for (time, notice) in standing.notices {
        // Time and text stand apart, also where a long one goes on.
        out.extend(notice_line(*time, notice, manner).wrapped(width, 17));
    }
    for line in &mut out {
        line.truncate(width, manner.ellipsis());
    }
    out
}

fn title(word: Word, manner: Manner) -> Line {
    let mut line = Line::new();
    line.space(1).push(Tone::Strong, manner.word(word));
    line
}

fn told(tone: Tone, text: &str) -> Line {
    let mut line = Line::new();
    line.space(3).push(tone, text);
    line
}

/// By node, and who lost them.
fn losses(standing: &Standing<'_>, context: &Context<'_>, width: usize, out: &mut Vec<Line>) {
    const NODE: usize = 14;
    const COUNT: usize = 12;
    let manner = context.manner;
    out.push(title(Word::Losses, manner));
    let mut head = Line::new();
    head.space(3).column(Tone::Head, manner.word(Word::Node), NODE, "");
    for word in [Word::LostByKernel, Word::LostByDevice, Word::LostByHopline] {
        head.space(1).number(Tone::Head, manner.word(word), COUNT);
    }
    out.push(head);
    for source in standing.sources {
        let node = source.node.map_or("?", |node| context.node(node));
        let mut line = Line::new();
        line.space(3).column(Tone::Plain, node, NODE, manner.ellipsis());
        let losses = source.losses;
        for count in [losses.kernel, losses.device, losses.own] {
            // A recording that says nothing of losses may have some.
            let (text, tone) = match (source.dropped, count) {
                (None, _) => ("?".to_owned(), Tone::Faint),
                (Some(_), 0) => ("0".to_owned(), Tone::Dim),
                (Some(_), count) => (count.to_string(), Tone::Bad),
            };
            line.space(1).number(tone, &text, COUNT);
        }
        out.push(line);
    }
    let damaged = standing.sources.iter().flat_map(|source| &source.damage);
    out.extend(damaged.map(|sentence| told(Tone::Bad, &manner.text(sentence))));
    for finding in context.topology.findings() {
        out.extend(told(Tone::Bad, &manner.told(&finding)).wrapped(width, 3));
    }
    let evictions =
        [(standing.closed_early, Word::ClosedEarly), (standing.forgotten, Word::ForgottenJourneys)];
    for (count, word) in evictions.into_iter().filter(|&(count, _)| count > 0) {
        out.push(told(Tone::Bad, &format!("{count} {}", manner.word(word))));
    }
}

fn stream_line(stream: &Stream, manner: Manner) -> Line {
    let (text, tone) = stream_text(stream, manner);
    let mut line = told(tone, &manner.text(text));
    if let StreamState::Ended { why, .. } = &stream.state
        && !why.is_empty()
    {
        line.space(2).push(Tone::Dim, &manner.text(why));
    }
    line
}

fn recording_line(recording: Option<&RecordingState>, manner: Manner) -> Line {
    let Some(recording) = recording else { return told(Tone::Dim, manner.word(Word::NotWriting)) };
    let mut line = told(Tone::Plain, &manner.text(&recording.path));
    line.space(2).push(Tone::Plain, &bytes(recording.bytes));
    if recording.is_stuck {
        line.space(2).push(Tone::Bad, manner.word(Word::Stuck));
    }
    if recording.lost > 0 {
        line.space(2).push(Tone::Bad, &format!("{} {}", manner.word(Word::LostPackets), recording.lost));
    }
    line
}

fn notice_line(time: Timestamp, notice: &Notice, manner: Manner) -> Line {
    let mut line = Line::new();
    line.space(3).push(Tone::Dim, &time_of_day(time)).space(2);
    let tone = if notice.is_trouble() { Tone::Bad } else { Tone::Plain };
    line.push(tone, &manner.text(notices::sentence(notice, manner)));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Losses;
    use crate::timeline::{Language, sample};

    #[test]
    fn everything_is_told_in_its_place() {
        let ended = StreamState::Ended { why: "exit status: 255: no route".to_owned(), again_s: Some(8) };
        let stream = |node: &str, state, left_s| Stream { node: node.to_owned(), state, left_s };
        let streams = [
            stream("kappa2", StreamState::Flowing, 0),
            stream("kappa3", ended.clone(), 5),
            stream("kappa4", StreamState::Begun, 0),
            stream("kappa5", StreamState::Ended { why: String::new(), again_s: None }, 0),
        ];
        let recording =
            RecordingState { path: "kappa1.pcapng".to_owned(), bytes: 14_200, lost: 3, is_stuck: true };
        let full = Notice::CannotWrite { path: recording.path.clone(), cause: "No space left".to_owned() };
        let notices = [
            (sample::START.plus(9_000_000_000), Notice::Node { node: "kappa3".to_owned(), state: ended }),
            (sample::START.plus(8_000_000_000), full),
            (sample::START, Notice::Came("cali6f1d".to_owned())),
        ];
        let mut sources = sample::sources();
        sources[1].losses = Losses { kernel: 9, device: 0, own: 3 };
        let standing = Standing {
            sources: &sources,
            forgotten: 7,
            closed_early: 2,
            streams: &streams,
            is_live: true,
            recording: Some(&recording),
            notices: &notices,
        };
        let told = |standing: &Standing<'_>, manner| {
            sample::with_context(manner, |context| {
                let lines = lines(standing, context, 78);
                lines.iter().map(|line| line.text().trim_end().to_owned() + "\n").collect::<String>()
            })
        };
        insta::assert_snapshot!("standing", told(&standing, Manner::default()));
        insta::assert_snapshot!("standing_zh", told(&standing, Manner::new(Language::Zh)));
        let quiet = Standing {
            streams: &[],
            recording: None,
            notices: &[],
            forgotten: 0,
            closed_early: 0,
            ..standing
        };
        insta::assert_snapshot!("standing_quiet", told(&quiet, Manner::ascii()));
    }
}
