//! Rows that unfold, and the packet that is looked into.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Journey, Sighting, Topology};
use crate::timeline::dissection::{Dissection, place_line};
use crate::timeline::packets;
use crate::timeline::unfold::{self, Fold};
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone, Waterfall};
use crate::tui::screen::{Body, Focus, Screen};
use crate::tui::update::Effect;

/// What a row of the journey opens into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Fold(Fold),
    Packet(Sighting),
}

/// What is unfolded, and what is known of the packets' bytes.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    /// Of the journey with this id.
    unfolded: (u64, BTreeSet<Fold>),
    /// The packet that is looked into.
    packet: Option<Opened>,
    bytes: Bytes,
}

/// A packet that is looked into.
#[derive(Clone, Copy, Debug)]
struct Opened {
    /// The id of its journey.
    journey: u64,
    sighting: Sighting,
    /// What was shown before.
    before: Body,
}

/// The bytes of one journey's packets.
#[derive(Debug, Default)]
enum Bytes {
    #[default]
    None,
    Asked(u64),
    Had(u64, Vec<Looked>),
    Failed(u64, String),
}

/// A packet, and its bytes where they could still be had.
pub type Looked = (Sighting, Option<Arc<Dissection>>);

impl Inspection {
    fn is_unfolded(&self, journey: &Journey, fold: Fold) -> bool {
        self.unfolded.0 == journey.id && self.unfolded.1.contains(&fold)
    }

    fn toggle(&mut self, journey: &Journey, fold: Fold) {
        if self.unfolded.0 != journey.id {
            self.unfolded = (journey.id, BTreeSet::new());
        }
        let folds = &mut self.unfolded.1;
        if !folds.remove(&fold) {
            folds.insert(fold);
        }
    }

    fn is_known(&self, journey: u64, sighting: &Sighting) -> bool {
        match &self.bytes {
            Bytes::Asked(of) => *of == journey,
            Bytes::Had(of, all) => *of == journey && all.iter().any(|(one, _)| one == sighting),
            Bytes::None | Bytes::Failed(..) => false,
        }
    }

    /// What was asked for last is taken; what comes late of another journey is not.
    pub(super) fn take(&mut self, journey: u64, looked: Result<Vec<Looked>, String>) {
        if !matches!(self.bytes, Bytes::Asked(of) if of == journey) {
            return;
        }
        self.bytes = match looked {
            Ok(all) => Bytes::Had(journey, all),
            Err(sentence) => Bytes::Failed(journey, sentence),
        };
    }
}

impl Screen {
    /// The journey whose packets are asked for, as it is stored, and what is known of its capture points.
    pub fn wanted(&self) -> Option<(Arc<Journey>, Arc<Topology>)> {
        Some((self.chosen_stored()?, Arc::clone(&self.topology)))
    }

    /// Rows of the timeline with the packets of those that are unfolded, and what each row opens into.
    pub(super) fn unfolded(
        &self,
        journey: &Journey,
        waterfall: &Waterfall<'_>,
        rows: Vec<Line>,
        width: usize,
    ) -> (Vec<Line>, Vec<Option<Target>>) {
        let context = self.context();
        let (mut lines, mut targets) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let folds = unfold::folds(journey, waterfall, self.shows_skipped);
        for (row, fold) in rows.into_iter().zip(folds) {
            lines.push(row);
            targets.push(Some(Target::Fold(fold)));
            if !self.inspection.is_unfolded(journey, fold) {
                continue;
            }
            let packets = unfold::packets(journey, fold, &context, width);
            if packets.is_empty() {
                lines.push(unfold::nothing(&context, width));
                targets.push(None);
            }
            for packet in packets {
                lines.push(packet.line);
                targets.push(Some(Target::Packet(packet.sighting)));
            }
        }
        (lines, targets)
    }

    /// Opens the row that is chosen in the journey; gives whether there was anything to open.
    pub(super) fn open_row(&mut self) -> Option<Effect> {
        let journey = self.chosen()?;
        match self.content()?.target(self.cursor)? {
            Target::Fold(fold) => {
                self.inspection.toggle(&journey, fold);
                self.show_opened();
                None
            }
            Target::Packet(sighting) => {
                let before = self.body;
                self.show_body(Body::Packet);
                self.inspection.packet = Some(Opened { journey: journey.id, sighting, before });
                if self.inspection.is_known(journey.id, &sighting) {
                    return None;
                }
                self.inspection.bytes = Bytes::Asked(journey.id);
                Some(Effect::Fetch)
            }
        }
    }

    /// Brings what the chosen row opened into view, as far as the row stays there.
    fn show_opened(&mut self) {
        let Some(content) = self.content() else { return };
        let cursor = content.cursor(self.cursor);
        let (first, shown) = (self.first_line(), self.body_rows().max(1));
        let last = content.last_of(cursor);
        self.cursor = Some(cursor);
        self.scroll = Some(first.max((last + 1).saturating_sub(shown)).min(cursor));
    }

    /// From a packet back to what it was opened from.
    pub(super) fn leave_packet(&mut self) {
        if let Some(Opened { before, .. }) = self.inspection.packet.take() {
            let cursor = self.cursor_before.take();
            self.show_body(before);
            self.cursor = cursor;
            self.focus = Focus::Journey;
        }
    }

    /// Whether the packet that is looked into is of this journey.
    pub(super) fn has_opened(&self, journey: &Journey) -> bool {
        self.inspection.packet.is_some_and(|opened| opened.journey == journey.id)
    }

    /// Whether a packet of the chosen journey is looked into.
    pub(super) fn is_packet_shown(&self) -> bool {
        self.body == Body::Packet && self.chosen_stored().is_some_and(|journey| self.has_opened(&journey))
    }

    /// Head and lines of the packet that is looked into.
    pub(super) fn packet_lines(&self, journey: &Journey, width: usize) -> (Vec<Line>, Vec<Line>) {
        let context = self.context();
        let Some(Opened { sighting, .. }) = &self.inspection.packet else { return (Vec::new(), Vec::new()) };
        let mut head = place_line(sighting, &context);
        let index = journey.trail.sightings.iter().position(|it| it == sighting);
        if let Some(row) = index.and_then(|index| packets::row_of(journey, index, &context)) {
            head.space(2).push(Tone::Accent, &row.stage).space(usize::from(!row.stage.is_empty()));
            head.push(row.tone, &row.what).space(1).push(Tone::Plain, &row.addresses);
        }
        head.truncate(width, self.manner.ellipsis());
        let told = |text: &str, tone: Tone| {
            let mut line = Line::new();
            line.space(1).fitted(tone, text, width.saturating_sub(1), self.manner.ellipsis());
            vec![line]
        };
        let lines = match &self.inspection.bytes {
            Bytes::Had(of, all) if *of == journey.id => {
                match all.iter().find(|(one, _)| one == sighting).and_then(|(_, found)| found.as_ref()) {
                    Some(dissection) => dissection.lines(&context, width),
                    None => told(self.manner.word(Word::NotKept), Tone::Dim),
                }
            }
            Bytes::Failed(of, sentence) if *of == journey.id => told(&self.manner.text(sentence), Tone::Bad),
            Bytes::Asked(of) if *of == journey.id => told(self.manner.word(Word::ReadingPackets), Tone::Dim),
            _ => told(self.manner.word(Word::NotKept), Tone::Dim),
        };
        (vec![head], lines)
    }
}
