//! Lines as a picture: SVG of text and shapes, with nothing loaded from elsewhere.
//!
//! Every run of cells is put at its column with `textLength`, so the columns hold whatever font the reader has.
//! Shapes and text take the colour (`color`) of what they stand in.

use std::fmt::Write as _;

use crate::timeline::line::char_width;
use crate::timeline::markup::{TONES, escape};
use crate::timeline::{Line, Tone};

/// Size of a cell in pixels, and the font's.
const CELL: (usize, usize) = (8, 17);
const FONT: usize = 13;
const MARGIN: usize = 10;

/// Opens a picture of so many cells. `ground` is the attributes of what lies behind them.
pub fn open(out: &mut String, columns: usize, rows: usize, style: &str, ground: &str) {
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, height(rows));
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">"
    );
    if !style.is_empty() {
        let _ = writeln!(out, "<style>{style}</style>");
    }
    let _ = write!(
        out,
        "<rect width=\"100%\" height=\"100%\" rx=\"8\" {ground}/>\n\
         <g font-family=\"'DejaVu Sans Mono','Cascadia Mono','Noto Sans Mono CJK SC',Menlo,Consolas,monospace\" \
         font-size=\"{FONT}\" fill=\"currentColor\">\n"
    );
}

/// Ends what [`open`] began.
pub fn close(out: &mut String) {
    out.push_str("</g>\n</svg>\n");
}

/// Pixels that so many rows and the margins take.
const fn height(rows: usize) -> usize {
    rows * CELL.1 + 2 * MARGIN
}

/// Pixels from the beginning of the picture to the row `row`, without the margin.
pub const fn offset(row: usize) -> usize {
    row * CELL.1
}

/// A colour behind `cells` cells.
pub fn fill(out: &mut String, (column, row): (usize, usize), cells: usize, colour: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{colour}\"/>",
        MARGIN + column * CELL.0,
        MARGIN + row * CELL.1,
        cells * CELL.0,
        CELL.1
    );
}

/// Text of one look, from `column` on. `look` is the attributes that give it.
pub fn text(out: &mut String, (column, row): (usize, usize), text: &str, look: &str) {
    let mut column = column;
    for piece in pieces(text) {
        let cells: usize = piece.chars().map(char_width).sum();
        draw(out, (column, row), piece, cells, look);
        column += cells;
    }
}

/// A line in the classes of its tones.
pub fn line(out: &mut String, row: usize, line: &Line) {
    let mut column = 0;
    for (run, tone) in line.runs() {
        let cells: usize = run.chars().map(char_width).sum();
        if tone == Tone::Found {
            fill(out, (column, row), cells, "#f2cc6099");
        }
        text(out, (column, row), run, &format!("class=\"{}\"", tone.name()));
        column += cells;
    }
}

/// A whole picture of `lines`, for light and for dark.
pub fn picture(lines: &[Line]) -> String {
    let columns = lines.iter().map(Line::width).max().unwrap_or(0);
    let mut out = String::with_capacity(lines.len() * 2048 + 1024);
    open(&mut out, columns, lines.len(), TONES, "class=\"ground\"");
    for (row, text) in lines.iter().enumerate() {
        line(&mut out, row, text);
    }
    close(&mut out);
    out
}

/// Cuts `text` where a font may draw in another width than a cell's: ASCII stays together up to a column's gap (viewers
/// fold blanks, and would stretch what is left), wide characters stay together, a repeated character joins itself (bars
/// and frames), and any other is by itself.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let joins = |other: &char| match char_width(first) {
            _ if first.is_ascii() => other.is_ascii(),
            2 => char_width(*other) == 2,
            _ => *other == first,
        };
        let end: usize = rest.chars().take_while(joins).map(char::len_utf8).sum();
        let blank = end - rest[..end].trim_start_matches(' ').len();
        let end = if blank > 0 { blank } else { rest[..end].find("  ").unwrap_or(end) };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// Draws what [`pieces`] gave: blanks alone, or what does not begin with one.
fn draw(out: &mut String, (column, row): (usize, usize), piece: &str, cells: usize, look: &str) {
    let shown = piece.trim_end_matches(' ');
    if shown.is_empty() {
        return;
    }
    let (x, y) = (MARGIN + column * CELL.0, MARGIN + row * CELL.1);
    if let Some(shape) = block(shown) {
        return draw_block(out, (x, y), cells, shape, look);
    }
    if let Some(path) = strokes(shown, (x, y)) {
        let _ = writeln!(out, "<path d=\"{path}\" stroke=\"currentColor\" fill=\"none\" {look}/>");
        return;
    }
    let cells: usize = shown.chars().map(char_width).sum();
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"{} {look}>",
        y + FONT,
        cells * CELL.0,
        // Fonts draw a circled number as wide as two cells.
        if shown.starts_with(|first| ('①'..='⑳').contains(&first)) { " font-size=\"10\"" } else { "" },
    );
    escape(out, shown);
    out.push_str("</text>\n");
}

/// Frames and rails as lines through the middle of their cells, so that they have no gaps. For a repeated character
/// only; `None` for any other.
fn strokes(text: &str, (x, y): (usize, usize)) -> Option<String> {
    let first = text.chars().next()?;
    let (middle, centre) = (y + CELL.1 / 2, x + CELL.0 / 2);
    let (right, bottom) = (x + CELL.0, y + CELL.1);
    if first == '─' {
        return Some(format!("M{x} {middle}.5H{}", x + text.chars().count() * CELL.0));
    }
    if text.chars().nth(1).is_some() {
        return None;
    }
    Some(match first {
        '│' => format!("M{centre}.5 {y}V{bottom}"),
        '╭' => format!("M{centre}.5 {bottom}V{}.5Q{centre}.5 {middle}.5 {right} {middle}.5", middle + 3),
        '╮' => format!("M{x} {middle}.5Q{centre}.5 {middle}.5 {centre}.5 {}.5V{bottom}", middle + 3),
        '╰' => format!("M{centre}.5 {y}V{}.5Q{centre}.5 {middle}.5 {right} {middle}.5", middle - 3),
        '╯' => format!("M{x} {middle}.5Q{centre}.5 {middle}.5 {centre}.5 {}.5V{y}", middle - 3),
        _ => return None,
    })
}

/// A block: the part of its last cell that is filled, in eighths, and its opacity in percent.
type Block = ((usize, usize), usize);

/// Full, partial and shaded blocks are drawn as rectangles, so that bars have no seams.
fn block(text: &str) -> Option<Block> {
    let character = text.chars().next()?;
    Some(match character {
        '█' => ((0, 8), 100),
        '▓' => ((0, 8), 75),
        '▒' => ((0, 8), 50),
        '░' => ((0, 8), 28),
        '▐' => ((4, 8), 100),
        '▉'..='▏' => ((0, 0x2590 - character as usize), 100),
        _ => return None,
    })
}

fn draw_block(
    out: &mut String,
    (x, y): (usize, usize),
    cells: usize,
    ((from, to), opacity): Block,
    look: &str,
) {
    let left = x + from * CELL.0 / 8;
    let wide = (cells - 1) * CELL.0 + (to - from) * CELL.0 / 8;
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\" opacity=\"{}\" {look}/>",
        y + 2,
        wide.max(1),
        CELL.1 - 4,
        opacity as f64 / 100.0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_where_widths_may_differ() {
        let cut: Vec<&str> = pieces("ab 订单⑤⑤██x").collect();
        assert_eq!(cut, ["ab ", "订单", "⑤⑤", "██", "x"]);
    }

    #[test]
    fn a_picture_is_xml_whatever_the_text() {
        let mut hostile = Line::new();
        hostile.push(Tone::Bad, "]]></style><script>\u{1b}\u{0}\u{ffff}\"'&lt;").push(Tone::Found, "▓▓⑤订");
        let picture = picture(&[Line::new(), hostile]);
        let document = roxmltree::Document::parse(&picture).expect("XML");
        let names = ["svg", "style", "rect", "g", "text"];
        assert!(
            document
                .descendants()
                .filter(roxmltree::Node::is_element)
                .all(|node| { names.contains(&node.tag_name().name()) })
        );
        let of_texts = |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == "text";
        let told: String = document.descendants().filter(of_texts).filter_map(|node| node.text()).collect();
        assert_eq!(told, "]]></style><script>???\"'&lt;⑤订");
        assert!(!picture.contains("href") && !picture.contains("url("));
    }
}
