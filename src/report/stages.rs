//! A journey's stages as an HTML table: what the screen draws as a timeline, with bars that are as wide as the page.

use std::fmt::Write as _;

use crate::model::Journey;
use crate::timeline::bar::{Bar, Texture};
use crate::timeline::markup::escape;
use crate::timeline::units::{Unit, duration};
use crate::timeline::waterfall::Row;
use crate::timeline::words::Word;
use crate::timeline::{Context, Waterfall, with_points};

/// Appends the table.
pub(super) fn write(out: &mut String, journey: &Journey, context: &Context<'_>) {
    let manner = context.manner;
    let whole = with_points(journey, context);
    let waterfall = Waterfall::new(&whole, context, false);
    let unit = |word: Word, unit: Unit| format!("{} {}", manner.word(word), unit.name(manner));
    let _ = writeln!(
        out,
        "<table>\n<tr><th></th><th>{}</th><th>{}</th><th class=\"n\">{}</th><th class=\"n\">{}</th>\
         <th class=\"axis\">0<span>{}</span></th></tr>",
        manner.word(Word::Stage),
        manner.word(Word::Where),
        unit(Word::At, waterfall.at),
        unit(Word::Took, waterfall.took),
        duration(waterfall.span, manner),
    );
    for row in waterfall.all() {
        write_row(out, row, &waterfall, context);
    }
    out.push_str("</table>\n");
}

fn write_row(out: &mut String, row: &Row<'_>, waterfall: &Waterfall<'_>, context: &Context<'_>) {
    let stop = if row.is_stop { " class=\"stop\"" } else { "" };
    let _ = write!(out, "<tr{stop}><td class=\"{}\">", row.tone.name());
    escape(out, &row.mark);
    out.push_str("</td><td class=\"label\">");
    escape(out, &row.label);
    if !row.owner.is_empty() {
        let _ =
            write!(out, " <span class=\"own\">{}{}</span>", row.owner, context.manner.word(Word::OwnTime));
    }
    out.push_str("</td><td><span class=\"dim\">");
    escape(out, &row.node);
    out.push_str("</span> ");
    escape(out, &row.point);
    let _ = write!(out, " <span class=\"dim\">{}</span></td>", row.direction);
    let at = row.at.map_or_else(String::new, |at| waterfall.at.number(at));
    let _ = write!(
        out,
        "<td class=\"n\">{at}</td><td class=\"n\">{}</td><td class=\"axis\">",
        waterfall.took_text(row, context)
    );
    if let Some(bar) = row.bar {
        write_bar(out, bar, waterfall.span, context);
    }
    out.push_str("</td></tr>\n");
}

/// A bar by its share of the axis; what has no length is a sign at its place.
fn write_bar(out: &mut String, bar: Bar, span: i64, context: &Context<'_>) {
    let share = |nanos: i64| nanos.clamp(0, span) as f64 * 100.0 / span.max(1) as f64;
    let (left, right) = (share(bar.start), share(bar.end));
    let (class, sign) = match bar.texture {
        Texture::Seen => ("seen", ""),
        Texture::Bounded => ("bounded", ""),
        Texture::Own => ("owned", ""),
        Texture::Around => ("around", ""),
        Texture::Waiting => ("waiting", ""),
        Texture::Missing => ("point", context.manner.cross()),
        Texture::Outside => ("point", context.manner.dot()),
    };
    let _ = write!(
        out,
        "<i class=\"{class} {}\" style=\"left:{left:.2}%;width:{:.2}%\">{sign}</i>",
        bar.tone.name(),
        (right - left).max(0.0)
    );
}
