//! A journey as a sheet of lines: its head, its stages, and the verdict; whole with its packets and its evidence.

use std::convert::Infallible;

use crate::model::Journey;
use crate::timeline::headline::{Detail, duration_text, ends_line, exchange_text, path_name, verdict_line};
use crate::timeline::units::time_of_day;
use crate::timeline::{Context, Line, Tone, Waterfall, evidence, packets, with_points};

/// Which journey it is, and how much of it is told.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// In a report.
    pub number: Option<u64>,
    pub journey: &'a Journey,
    /// With the packets and the evidence.
    pub is_whole: bool,
}

impl Sheet<'_> {
    /// `#1 12:03:19.000 pod→service · other-node  cart … ⇒ …  GET /r/17  200  1.84 ms`.
    pub fn head(&self, context: &Context<'_>) -> Line {
        let (manner, journey) = (context.manner, self.journey);
        let mut line = Line::new();
        if let Some(number) = self.number {
            line.push(Tone::Head, &format!("#{number}")).space(1);
        }
        line.push(Tone::Dim, &time_of_day(journey.started)).space(1);
        line.push(Tone::Strong, &path_name(&journey.path, manner));
        line.space(1).push(Tone::Dim, manner.dot()).space(1).push(Tone::Plain, &journey.route).space(2);
        line.append(&ends_line(journey, context, Detail::Addresses)).space(2);
        line.push(Tone::Plain, &exchange_text(&journey.trail, manner)).space(2);
        line.push(Tone::Strong, &duration_text(journey, manner));
        line
    }

    /// Gives `sink` each line, at most `width` cells wide but for the head and the verdict.
    ///
    /// # Errors
    /// What `sink` fails with.
    pub fn each_line<E>(
        &self,
        context: &Context<'_>,
        width: usize,
        sink: &mut dyn FnMut(&Line) -> Result<(), E>,
    ) -> Result<(), E> {
        let journey = self.journey;
        let mut line = self.head(context);
        sink(&line)?;
        // What fits no path has no stages; its sightings are shown instead.
        let has_stages = journey.visits().next().is_some();
        if has_stages {
            let whole = with_points(journey, context);
            Waterfall::new(&whole, context, false).each_line(context, width, 0, &mut line, sink)?;
        } else {
            each_packet(journey, context, width, sink)?;
        }
        line.clear();
        line.space(1).append(&verdict_line(journey, context));
        sink(&line)?;
        if !self.is_whole {
            return Ok(());
        }
        let gap = Line::new();
        if has_stages {
            sink(&gap)?;
            each_packet(journey, context, width, sink)?;
        }
        sink(&gap)?;
        evidence::lines(journey, context, width).iter().try_for_each(sink)
    }

    /// All lines, none wider than `width`: the head and the verdict are broken at spaces.
    pub fn lines(&self, context: &Context<'_>, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let Ok(()) = self.each_line::<Infallible>(context, width, &mut |line| {
            if line.width() <= width {
                lines.push(line.clone());
            } else {
                lines.extend(line.wrapped(width, 3));
            }
            Ok(())
        });
        lines
    }
}

fn each_packet<E>(
    journey: &Journey,
    context: &Context<'_>,
    width: usize,
    sink: &mut dyn FnMut(&Line) -> Result<(), E>,
) -> Result<(), E> {
    let (head, rows) = packets::lines(journey, context, width);
    sink(&head)?;
    rows.iter().try_for_each(sink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Language, Manner, sample};

    #[test]
    fn no_line_is_wider_than_asked() {
        for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
            sample::with_context(manner, |context| {
                for journey in sample::all().iter().chain(&sample::proxies::all()) {
                    for width in [60, 80, 140] {
                        let sheet = Sheet { number: Some(7), journey, is_whole: true };
                        let lines = sheet.lines(context, width);
                        let wide = lines.iter().find(|line| line.width() > width);
                        assert_eq!(wide.map(Line::text), None, "{width}");
                    }
                }
            });
        }
    }
}
