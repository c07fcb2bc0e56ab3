//! A ladder at a certain width: where its rails stand, and a line a step.

use super::{Join, Ladder, Point, Side, Step, Stroke, point_name};
use crate::model::Journey;
use crate::timeline::cells::Cells;
use crate::timeline::line::text_width;
use crate::timeline::proxies::join_symbol;
use crate::timeline::units::Unit;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};

/// Characters the ladder is drawn with.
struct Pen {
    rail: char,
    solid: char,
    dotted: char,
    right: char,
    left: char,
    stay: char,
}

impl Pen {
    const fn new(manner: Manner) -> Pen {
        if manner.is_ascii() {
            Pen { rail: '|', solid: '-', dotted: '.', right: '>', left: '<', stay: '*' }
        } else {
            Pen { rail: '│', solid: '─', dotted: '┄', right: '►', left: '◄', stay: '●' }
        }
    }
}

/// Where everything is put for a given width.
struct Frame<'a> {
    context: &'a Context<'a>,
    pen: Pen,
    /// Cells for the label on the left; 0 puts it on the arrow.
    label: usize,
    canvas: usize,
    at: usize,
    rails: Vec<usize>,
}

const AT_WIDTH: usize = 9;

impl Ladder {
    /// Two head lines and a line a step, for `width` cells. Where it is narrow the kernel columns go first.
    pub fn lines(&self, journey: &Journey, context: &Context<'_>, width: usize) -> (Vec<Line>, Vec<Line>) {
        let slim = self.slimmed(width, Frame::new(self, context, width).canvas);
        let ladder = slim.as_ref().unwrap_or(self);
        let frame = Frame::new(ladder, context, width);
        let mut head = frame.head(ladder, journey);
        let mut steps: Vec<Line> = ladder.steps.iter().map(|step| frame.step(step, ladder.unit)).collect();
        for line in head.iter_mut().chain(&mut steps) {
            line.truncate(width, "");
        }
        (head, steps)
    }
}

/// Whether the proxy at `index` has a column for its other side beside it.
fn is_wide_proxy(ladder: &Ladder, index: usize, depth: usize) -> bool {
    let beside = ladder.columns.get(index + 1);
    matches!(beside, Some(&Point::Proxy(_, of, Side::Server)) if of == depth)
}

impl<'a> Frame<'a> {
    fn new(ladder: &Ladder, context: &'a Context<'a>, width: usize) -> Frame<'a> {
        let widest = ladder.steps.iter().map(|step| text_width(&step.label)).max().unwrap_or(0);
        let label = if width >= 100 { widest.min(width / 4).min(30) + 7 } else { 0 };
        let at = if width >= 50 { AT_WIDTH } else { 0 };
        let canvas = width.saturating_sub(label + at);
        let count = ladder.columns.len().max(1);
        let pitch = canvas / count;
        let rails = (0..count).map(|index| index * pitch + pitch / 2).collect();
        Frame { context, pen: Pen::new(context.manner), label, canvas, at, rails }
    }

    fn pitch(&self) -> usize {
        self.canvas / self.rails.len().max(1)
    }

    fn head(&self, ladder: &Ladder, journey: &Journey) -> Vec<Line> {
        let (mut nodes, mut points) = (Cells::new(self.canvas), Cells::new(self.canvas));
        let mut last_node = None;
        for (index, &point) in ladder.columns.iter().enumerate() {
            let node = match point {
                Point::Interface(vantage, _) => self.context.node_of(vantage),
                Point::Kernel(node, _) => Some(node),
                _ => None,
            };
            if let Some(node) = node.filter(|&node| last_node != Some(node)) {
                self.put_centred(&mut nodes, index, self.context.node(node), Tone::Dim);
            }
            last_node = node.or(last_node);
            match point {
                // A proxy's name stands over both of its sides.
                Point::Proxy(_, _, Side::Server) => {}
                Point::Proxy(_, depth, _) if is_wide_proxy(ladder, index, depth) => {
                    let name = point_name(point, journey, self.context);
                    let middle = self.rails[index] + self.pitch() / 2;
                    points.put(middle.saturating_sub(text_width(&name) / 2), &name, Tone::Own);
                }
                _ => self.put_centred(
                    &mut points,
                    index,
                    &point_name(point, journey, self.context),
                    Tone::Head,
                ),
            }
        }
        let unit = ladder.unit.name(self.context.manner);
        let at = format!("{} {unit}", self.context.manner.word(Word::At));
        [(nodes, ""), (points, at.as_str())]
            .into_iter()
            .map(|(canvas, right)| {
                let mut line = Line::new();
                line.space(self.label);
                canvas.append_to(&mut line);
                if self.at > 0 {
                    line.number(Tone::Head, right, self.at - 1);
                }
                line
            })
            .collect()
    }

    fn put_centred(&self, canvas: &mut Cells, column: usize, text: &str, tone: Tone) {
        let room = self.pitch().saturating_sub(1);
        let mut fitted = Line::new();
        fitted.fitted(tone, text, room, self.context.manner.ellipsis());
        let x = self.rails[column].saturating_sub(fitted.width() / 2);
        canvas.put(x, fitted.text(), tone);
    }

    fn step(&self, step: &Step, unit: Unit) -> Line {
        let mut canvas = Cells::new(self.canvas);
        for &rail in &self.rails {
            canvas.fill(rail, rail + 1, self.pen.rail, Tone::Faint);
        }
        self.draw(&mut canvas, step);
        let ellipsis = self.context.manner.ellipsis();
        let mut line = Line::new();
        if self.label > 0 {
            line.space(1).column(step.tone, &step.mark, 4, ellipsis).space(1);
            let tone = if step.stroke == Stroke::Seen { Tone::Plain } else { step.tone };
            line.column(tone, &step.label, self.label - 7, ellipsis).space(1);
        }
        canvas.append_to(&mut line);
        if let Some(at) = step.at.filter(|_| self.at > 0) {
            line.number(Tone::Plain, &unit.number(at), self.at - 1);
        }
        line
    }

    fn draw(&self, canvas: &mut Cells, step: &Step) {
        let (from, to) = (self.rails[step.from], self.rails[step.to]);
        if from == to {
            self.draw_stay(canvas, step, to);
        } else {
            self.draw_arrow(canvas, step, from, to);
        }
        if let Some(join) = &step.join {
            self.draw_join(canvas, join, to);
        }
    }

    /// From one side of a proxy to the other; on its only rail where it has but one.
    fn draw_join(&self, canvas: &mut Cells, join: &Join, rail: usize) {
        let far = self.rails[join.to];
        let symbol = join_symbol(join.grade, self.context.manner);
        if far == rail {
            canvas.fill(rail, rail + 1, symbol, Tone::Own);
            if text_width(&join.percent) + 2 < self.pitch() {
                canvas.put(rail + 1, &join.percent, Tone::Own);
            }
            return;
        }
        let (low, high) = (rail.min(far) + 1, rail.max(far));
        canvas.fill(low, high, symbol, Tone::Own);
        let percent = join.percent.as_str();
        let room = (high - low).saturating_sub(1);
        let shown = if text_width(percent) > room { percent.trim_end_matches(" %") } else { percent };
        if !shown.is_empty() && text_width(shown) <= room {
            let x = if far > rail { low } else { high - text_width(shown) };
            canvas.put(x, shown, Tone::Own);
        }
        let (x, head) = if far > rail { (high - 1, self.pen.right) } else { (low, self.pen.left) };
        canvas.fill(x, x + 1, head, Tone::Own);
    }

    fn draw_arrow(&self, canvas: &mut Cells, step: &Step, from: usize, to: usize) {
        let (low, high) = (from.min(to) + 1, from.max(to));
        let symbol = match step.stroke {
            Stroke::Seen => self.pen.solid,
            Stroke::Outside if !self.context.manner.is_ascii() => '·',
            _ => self.pen.dotted,
        };
        canvas.fill(low, high, symbol, step.tone);
        let head = match (step.stroke, to > from) {
            (Stroke::Seen | Stroke::Bounded, true) => Some((high - 1, self.pen.right)),
            (Stroke::Seen | Stroke::Bounded, false) => Some((low, self.pen.left)),
            _ => None,
        };
        self.put_label(canvas, step, low, high);
        if let Some((x, symbol)) = head.filter(|_| high > low) {
            canvas.fill(x, x + 1, symbol, step.tone);
        }
        if step.stroke == Stroke::Missing {
            let x = if to > from { high.saturating_sub(1) } else { low };
            canvas.put(x, self.context.manner.cross(), Tone::Bad);
        }
    }

    /// A step that stays at its column.
    fn draw_stay(&self, canvas: &mut Cells, step: &Step, rail: usize) {
        let symbol = match step.stroke {
            Stroke::Seen => self.pen.stay,
            Stroke::Missing => self.context.manner.cross().chars().next().unwrap_or('x'),
            _ => self.pen.dotted,
        };
        canvas.fill(rail, rail + 1, symbol, step.tone);
        let room = self.pitch().saturating_sub(3);
        let mut text = Line::new();
        text.fitted(step.tone, &self.arrow_text(step, room), room, self.context.manner.ellipsis());
        canvas.put(rail + 2, text.text(), step.tone);
    }

    /// The mark, and the label where it is not at the left, in the middle of the arrow.
    fn put_label(&self, canvas: &mut Cells, step: &Step, low: usize, high: usize) {
        let room = (high - low).saturating_sub(4);
        let mut text = Line::new();
        text.fitted(step.tone, &self.arrow_text(step, room), room, self.context.manner.ellipsis());
        if text.width() == 0 {
            return;
        }
        let x = low + (high - low - text.width()) / 2;
        canvas.put(x - 1, " ", step.tone);
        canvas.put(x, text.text(), step.tone);
        canvas.put(x + text.width(), " ", step.tone);
    }

    /// The label too, where there is no column for it and room enough to read it.
    fn arrow_text(&self, step: &Step, room: usize) -> String {
        const LEAST_LABEL: usize = 12;
        if self.label > 0 || room < LEAST_LABEL {
            step.mark.clone()
        } else {
            format!("{} {}", step.mark, step.label)
        }
    }
}
