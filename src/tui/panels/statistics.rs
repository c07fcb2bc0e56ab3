//! Sources and statistics over everything that was read, and the chosen measure as charts.

use ratatui::layout::Rect;

use crate::timeline::chart::sparkline;
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone, spread};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;
use crate::tui::statistics::SPARK;

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let (tables, chosen) = Screen::statistics_areas(area);
    draw_tables(screen, tables, canvas);
    let context = screen.context();
    let measure = screen.statistics.measure.as_ref();
    let title = measure.map_or_else(Line::new, |measure| spread::title(measure, &context));
    let inner = canvas.frame(chosen, &title, &Line::new(), false);
    if let Some(measure) = measure {
        let (width, height) = (usize::from(inner.width), usize::from(inner.height));
        canvas.lines(inner, &spread::lines(measure, &screen.counts, &context, width, height), 0);
    }
}

fn draw_tables(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let (mut left, mut right) = (Line::new(), Line::new());
    left.push(Tone::Head, screen.manner.word(Word::Statistics));
    if screen.statistics.is_longest_first {
        left.space(2).push(Tone::Dim, screen.manner.word(Word::LongestFirst));
    }
    let (width, has_sparklines) = Screen::table_width(area.width.saturating_sub(2));
    if has_sparklines {
        right.push(Tone::Head, screen.manner.word(Word::P99)).space(1);
        right.push(Tone::Head, screen.manner.word(Word::OverTime));
    }
    let inner = canvas.frame(area, &left, &right, true);
    let page = &screen.statistics;
    for (row, (index, entry)) in (0..inner.height).zip(page.entries.iter().enumerate().skip(page.first)) {
        let mut line = entry.line.clone();
        if let Some(measure) = entry.measure.as_ref().filter(|_| has_sparklines) {
            let slices = screen.counts.history.slices(measure, SPARK);
            let values: Vec<_> = slices.iter().map(|slice| (slice.count > 0).then_some(slice.p99)).collect();
            line.pad_to(width + 1);
            sparkline(&mut line, Tone::Reply, &values, screen.manner);
        }
        canvas.line(inner, 0, row, &line);
        if index == page.line && entry.is_row {
            let mut sign = Line::new();
            sign.push(Tone::Accent, screen.manner.chosen());
            canvas.line(inner, 1, row, &sign);
            let style = canvas.theme.chosen();
            canvas.shade(Rect { y: inner.y + row, height: 1, ..inner }, style);
        }
    }
}
