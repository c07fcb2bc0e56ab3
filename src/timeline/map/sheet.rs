//! A map at a certain width: boxes in bands below each other, and the stages' names under them.

use super::{Map, Mark, Move, Sign, Stop};
use crate::model::{NodeId, Way};
use crate::timeline::cells::Cells;
use crate::timeline::delay::Took;
use crate::timeline::ladder::{Point, Step, Stroke};
use crate::timeline::line::text_width;
use crate::timeline::proxies::join_symbol;
use crate::timeline::units::duration;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};

/// The cells a box gets, at least and at most.
const LEAST_PITCH: usize = 13;
const MOST_PITCH: usize = 26;
/// The cells of a column of names.
const MOST_COLUMN: usize = 64;
/// The rows of a band.
const FRAME_TOP: usize = 0;
const NAMES: usize = 1;
const SIGNS: usize = 2;
const REQUEST: usize = 3;
const REPLY: usize = 4;
const FRAME_BOTTOM: usize = 5;
const ROWS: usize = 6;

/// Boxes beside each other.
struct Band {
    /// The first box, and how many there are.
    first: usize,
    count: usize,
    rows: Vec<Cells>,
}

/// Everything that is drawn on.
struct Sheet<'a> {
    map: &'a Map,
    context: &'a Context<'a>,
    pitch: usize,
    width: usize,
    bands: Vec<Band>,
}

impl Map {
    /// The bands of boxes, and below them what the stages' numbers mean, for `width` cells.
    pub fn lines(&self, context: &Context<'_>, width: usize) -> Vec<Line> {
        let mut sheet = Sheet::new(self, context, width);
        if !sheet.bands.is_empty() {
            sheet.draw();
        }
        let mut lines: Vec<Line> = Vec::new();
        for cells in sheet.bands.iter().flat_map(|band| &band.rows) {
            let mut line = Line::new();
            cells.append_to(&mut line);
            lines.push(line);
        }
        lines.extend(self.legend(context, width));
        for line in &mut lines {
            line.truncate(width, "");
        }
        lines
    }

    /// The last line of the band where the packet stopped or is, which must be in view.
    pub fn stop(&self, width: usize) -> Option<usize> {
        let &(stop, _) = self.signs.last().filter(|_| width >= 2 * LEAST_PITCH)?;
        let bands = bands(&self.stops, most_in_a_band(width));
        bands
            .iter()
            .position(|&(first, count)| (first..first + count).contains(&stop))
            .map(|at| (at + 1) * ROWS - 1)
    }

    /// Each stage with its name and delay, the request's at the left, the answer's at the right.
    fn legend(&self, context: &Context<'_>, width: usize) -> Vec<Line> {
        let of = |way: Way| self.steps.iter().filter(move |step| step.way == way);
        let half = (width / 2).min(MOST_COLUMN);
        let (mut left, mut right) = (of(Way::Request), of(Way::Reply));
        let mut lines = Vec::new();
        loop {
            let (request, reply) = (left.next(), right.next());
            if request.is_none() && reply.is_none() {
                return lines;
            }
            let mut line = Line::new();
            for (column, step) in [(0, request), (half, reply)] {
                if let Some(step) = step {
                    line.pad_to(column);
                    entry(&mut line, step, half.saturating_sub(2), context.manner);
                }
            }
            lines.push(line);
        }
    }
}

/// ` ④    to the Service IP          118 µs`, at most `width` cells.
fn entry(line: &mut Line, step: &Step, width: usize, manner: Manner) {
    const MARK: usize = 5;
    const TOOK: usize = 10;
    let tone = if step.stroke == Stroke::Seen { Tone::Plain } else { step.tone };
    let room = width.saturating_sub(MARK + TOOK + 1);
    line.space(1).column(step.tone, &step.mark, MARK - 1, manner.ellipsis());
    line.column(tone, &step.label, room, manner.ellipsis());
    let took = step.took.map_or_else(String::new, |took| took_text(took, manner));
    line.number(if step.owner.is_empty() { tone } else { Tone::Own }, &took, TOOK);
}

fn took_text(took: Took, manner: Manner) -> String {
    let sign = match took {
        Took { is_at_most: true, .. } => format!("{} ", manner.at_most()),
        Took { is_uncertain: true, .. } => "~".to_owned(),
        _ => String::new(),
    };
    sign + &duration(took.nanos, manner)
}

const fn most_in_a_band(width: usize) -> usize {
    let most = width / LEAST_PITCH;
    if most > 2 { most } else { 2 }
}

/// First box and number of boxes of each band. A band ends behind a switch or before another node where it can, so
/// that a node stays in one piece.
fn bands(stops: &[Stop], most: usize) -> Vec<(usize, usize)> {
    let mut bands = Vec::new();
    let (mut first, mut end) = (0, 0);
    while end < stops.len() {
        let next = end + piece(&stops[end..]);
        if next - first <= most {
            end = next;
        } else if end > first {
            bands.push((first, end - first));
            first = end;
        } else {
            bands.push((first, most));
            (first, end) = (first + most, first + most);
        }
    }
    if end > first {
        bands.push((first, end - first));
    }
    bands
}

/// How many boxes stay together: those of one node, and the switch behind them.
fn piece(stops: &[Stop]) -> usize {
    let node = stops.first().and_then(|stop| stop.node);
    let count = match node {
        None => 1,
        Some(_) => stops.iter().take_while(|stop| stop.node == node).count(),
    };
    let is_switch = |stop: &Stop| matches!(stop.point, Point::Switch(_));
    count + usize::from(node.is_some() && stops.get(count).is_some_and(is_switch))
}

impl<'a> Sheet<'a> {
    fn new(map: &'a Map, context: &'a Context<'a>, width: usize) -> Sheet<'a> {
        let shown = if width < 2 * LEAST_PITCH { &[][..] } else { &map.stops };
        let bands: Vec<Band> = bands(shown, most_in_a_band(width))
            .into_iter()
            .map(|(first, count)| {
                let rows = (0..ROWS).map(|_| Cells::new(width)).collect();
                Band { first, count, rows }
            })
            .collect();
        let longest = bands.iter().map(|band| band.count).max().unwrap_or(1);
        Sheet { map, context, pitch: (width / longest.max(1)).min(MOST_PITCH), width, bands }
    }

    fn draw(&mut self) {
        for index in 0..self.bands.len() {
            self.draw_frames(index);
        }
        for step in &self.map.moves {
            self.draw_line(step);
        }
        for (index, stop) in self.map.stops.iter().enumerate() {
            self.draw_stop(index, stop);
        }
        for step in &self.map.moves {
            self.draw_head(step);
        }
        for &(stop, sign) in &self.map.signs {
            self.draw_sign(stop, sign);
        }
    }

    /// The band of a box, and the cell of its middle.
    fn place(&self, stop: usize) -> (usize, usize) {
        let of = |band: &Band| (band.first..band.first + band.count).contains(&stop);
        let band = self.bands.iter().position(of).unwrap_or_default();
        let column = stop - self.bands.get(band).map_or(0, |band| band.first);
        (band, column * self.pitch + self.pitch / 2)
    }

    /// A frame around the boxes of each node.
    fn draw_frames(&mut self, index: usize) {
        let pitch = self.pitch;
        let Some(band) = self.bands.get_mut(index) else { return };
        let mut column = 0;
        while column < band.count {
            let node = self.map.stops[band.first + column].node;
            let same = |&offset: &usize| self.map.stops[band.first + offset].node == node;
            let end = column + (column..band.count).take_while(same).count();
            if let Some(node) = node {
                draw_frame(&mut band.rows, (column * pitch, end * pitch - 1), node, self.context);
            }
            column = end;
        }
    }

    fn put_centred(&mut self, stop: usize, row: usize, text: &Line) {
        let (band, middle) = self.place(stop);
        let mut at = middle.saturating_sub(text.width() / 2);
        for (part, tone) in text.runs() {
            self.bands[band].rows[row].put(at, part, tone);
            at += text_width(part);
        }
    }

    fn draw_stop(&mut self, index: usize, stop: &Stop) {
        let ellipsis = self.context.manner.ellipsis();
        let room = self.pitch.saturating_sub(3);
        let mut name = Line::new();
        let tone = if matches!(stop.point, Point::Proxy(..)) { Tone::Own } else { Tone::Head };
        name.push(Tone::Faint, "[")
            .fitted(tone, &stop.name, room.saturating_sub(2), ellipsis)
            .push(Tone::Faint, "]");
        self.put_centred(index, NAMES, &name);
        if let Some(own) = stop.own {
            let manner = self.context.manner;
            let mut line = Line::new();
            let sign = if manner.is_ascii() { "= " } else { "▓ " };
            line.push(Tone::Own, sign).push(Tone::Own, &took_text(own, manner));
            line.truncate(room, ellipsis);
            self.put_centred(index, SIGNS, &line);
        }
        for row in [REQUEST, REPLY] {
            let marks = self.marks(index, row);
            if marks.width() > 0 {
                // A cell of its own on both sides.
                let mut padded = Line::new();
                padded.space(1).append(&marks).space(1);
                self.put_centred(index, row, &padded);
            }
        }
    }

    /// The marks of a box on one way, as wide as they may be.
    fn marks(&self, stop: usize, row: usize) -> Line {
        let stop = &self.map.stops[stop];
        let mut line = Line::new();
        for (text, tone) in
            grouped(if row == REQUEST { &stop.request } else { &stop.reply }, self.context.manner)
        {
            line.push(tone, &text);
        }
        line.truncate(self.pitch.saturating_sub(4), self.context.manner.ellipsis());
        line
    }

    fn draw_sign(&mut self, stop: usize, sign: Sign) {
        let manner = self.context.manner;
        let dot = if manner.is_ascii() { "*" } else { "●" };
        let mut line = Line::new();
        match sign {
            Sign::Arrived => _ = line.push(Tone::Good, manner.tick()),
            Sign::LastSeen(age) => {
                line.push(Tone::Accent, dot).space(1);
                match age {
                    Some(age) => line.push(Tone::Accent, &duration(age, manner)),
                    None => line.push(Tone::Accent, manner.word(Word::LastSeen)),
                };
            }
            Sign::Stopped(outcome) => {
                line.push(Tone::Bad, manner.cross()).space(1).push(Tone::Bad, manner.outcome(outcome));
            }
        }
        line.truncate(self.pitch.saturating_sub(2), manner.ellipsis());
        let (band, middle) = self.place(stop);
        let from = middle.saturating_sub(self.pitch / 2 - 1);
        self.bands[band].rows[SIGNS].fill(from, from + self.pitch.saturating_sub(2), ' ', Tone::Plain);
        self.put_centred(stop, SIGNS, &line);
    }

    /// A line from one box to another, through the edges of bands where they are in several.
    fn draw_line(&mut self, step: &Move) {
        let (low, high) = (step.from.min(step.to), step.from.max(step.to));
        let ((first, from), (last, to)) = (self.place(low), self.place(high));
        let symbol = self.symbol(step);
        for band in first..=last {
            let start = if band == first { from + 1 } else { 0 };
            let end = if band == last { to } else { self.width };
            self.bands[band].rows[row_of(step)].fill(start, end, symbol, step.tone);
        }
    }

    /// What the line is made of: behind a proxy how sure it is that it is the same request.
    fn symbol(&self, step: &Move) -> char {
        let manner = self.context.manner;
        match (&self.map.stops[step.from].join, step.stroke, manner.is_ascii()) {
            (Some((grade, _)), Stroke::Seen, _) => join_symbol(*grade, manner),
            (None, Stroke::Seen, false) => '─',
            (None, Stroke::Seen, true) => '-',
            (_, Stroke::Outside, false) => '·',
            (_, _, false) => '┄',
            (_, _, true) => '.',
        }
    }

    /// The head of the arrow before the marks of the box it leads to, and how long it took in the line before that.
    fn draw_head(&mut self, step: &Move) {
        let row = row_of(step);
        let (band, middle) = self.place(step.to);
        let (left, right) = extent(middle, self.marks(step.to, row).width());
        let is_right = step.to > step.from;
        let head = match (is_right, self.context.manner.is_ascii()) {
            (true, false) => '►',
            (true, true) => '>',
            (false, false) => '◄',
            (false, true) => '<',
        };
        let at = if is_right { left.saturating_sub(1) } else { right };
        if matches!(step.stroke, Stroke::Seen | Stroke::Bounded) && at < self.width {
            self.bands[band].rows[row].fill(at, at + 1, head, step.tone);
        }
        let (from, to) =
            if is_right { (self.before(step, row), at) } else { (at + 1, self.before(step, row)) };
        if let Some((text, tone)) = self.told_on_the_line(step) {
            let wide = text_width(&text) + 2;
            if wide < to.saturating_sub(from) {
                let at = from + (to - from - wide) / 2;
                self.bands[band].rows[row].put(at, &format!(" {text} "), tone);
            }
        }
    }

    /// Where the line's last stretch begins: behind the marks of the box beside, or at the edge of the band.
    fn before(&self, step: &Move, row: usize) -> usize {
        let (band, _) = self.place(step.to);
        let beside = if step.to > step.from { step.to.checked_sub(1) } else { Some(step.to + 1) };
        match beside.filter(|&beside| beside < self.map.stops.len() && self.place(beside).0 == band) {
            Some(beside) => {
                let (left, right) = extent(self.place(beside).1, self.marks(beside, row).width());
                if step.to > step.from { right } else { left }
            }
            None if step.to > step.from => 0,
            None => self.width,
        }
    }

    /// How long it took; behind a proxy how sure it is that it is the same request.
    fn told_on_the_line(&self, step: &Move) -> Option<(String, Tone)> {
        let told = match (&self.map.stops[step.from].join, step.took) {
            (Some((_, percent)), _) => (percent.clone(), Tone::Own),
            (None, Some(took)) => (took_text(took, self.context.manner), step.tone),
            (None, None) => return None,
        };
        Some(told).filter(|(text, _)| !text.is_empty())
    }
}

const fn row_of(step: &Move) -> usize {
    match step.way {
        Way::Request => REQUEST,
        Way::Reply => REPLY,
    }
}

/// The cells that marks of `width` around `middle` take, one more on each side included.
fn extent(middle: usize, width: usize) -> (usize, usize) {
    let padded = if width == 0 { 0 } else { width + 2 };
    let left = middle.saturating_sub(padded / 2);
    (left, left + padded)
}

/// Marks of one look beside each other share its sign: `③④⑤░`.
fn grouped(marks: &[Mark], manner: Manner) -> Vec<(String, Tone)> {
    let mut groups: Vec<(String, Tone, Stroke)> = Vec::new();
    for mark in marks {
        match groups.last_mut() {
            Some((text, _, stroke)) if *stroke == mark.stroke => {
                if manner.is_ascii() {
                    text.push(' ');
                }
                text.push_str(&mark.text);
            }
            _ => groups.push((mark.text.clone(), mark.tone, mark.stroke)),
        }
    }
    let sign = if manner.is_ascii() { "" } else { "░" };
    let signed = |(text, tone, stroke)| (if stroke == Stroke::Bounded { text + sign } else { text }, tone);
    groups.into_iter().map(signed).collect()
}

fn draw_frame(rows: &mut [Cells], (left, right): (usize, usize), node: NodeId, context: &Context<'_>) {
    let [horizontal, vertical, corners @ ..] = if context.manner.is_ascii() {
        ['-', '|', '+', '+', '+', '+']
    } else {
        ['─', '│', '╭', '╮', '╰', '╯']
    };
    for (row, ends) in [(FRAME_TOP, [corners[0], corners[1]]), (FRAME_BOTTOM, [corners[2], corners[3]])] {
        rows[row].fill(left, right + 1, horizontal, Tone::Faint);
        rows[row].fill(left, left + 1, ends[0], Tone::Faint);
        rows[row].fill(right, right + 1, ends[1], Tone::Faint);
    }
    for row in rows.iter_mut().take(FRAME_BOTTOM).skip(NAMES) {
        row.fill(left, left + 1, vertical, Tone::Faint);
        row.fill(right, right + 1, vertical, Tone::Faint);
    }
    let mut title = Line::new();
    let room = (right - left).saturating_sub(5);
    title.fitted(Tone::Strong, context.node(node), room, context.manner.ellipsis());
    rows[FRAME_TOP].put(left + 2, &format!(" {} ", title.text()), Tone::Strong);
}
