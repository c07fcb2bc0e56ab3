//! A drawn screen as a picture: SVG made of the cells themselves, with nothing loaded from elsewhere.
//!
//! Every run of cells is put at its column with `textLength`, so the columns hold whatever font the reader has.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Size of a cell in pixels, and the font's.
const CELL: (usize, usize) = (8, 17);
const FONT: usize = 13;
const MARGIN: usize = 10;
const BACKGROUND: &str = "#11151c";
const FOREGROUND: &str = "#d5dae3";

/// A run of cells of one look.
struct Run {
    column: usize,
    cells: usize,
    text: String,
    look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: &'static str,
    bg: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
}

/// The buffer as a self-contained SVG document.
pub fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
    let mut out = String::with_capacity(columns * rows * 4 + 1024);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"'DejaVu Sans Mono','Cascadia Mono','Noto Sans Mono CJK SC',Menlo,Consolas,monospace\" \
         font-size=\"{FONT}\" xml:space=\"preserve\">\n"
    );
    for row in 0..rows {
        for run in runs(buffer, row, columns) {
            write_run(&mut out, &run, row);
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// The runs of a row. What a font may draw in another width (anything not ASCII) is a run of its own character.
fn runs(buffer: &Buffer, row: usize, columns: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < columns {
        let Some(cell) = buffer.cell((buffer.area.x + column as u16, buffer.area.y + row as u16)) else {
            break;
        };
        let cells = cell.symbol().width().max(1);
        let look = look(cell);
        let is_plain = cell.symbol().is_ascii();
        match runs.last_mut() {
            Some(last) if last.look == look && joins(&last.text, cell.symbol(), is_plain) => {
                last.text.push_str(cell.symbol());
                last.cells += cells;
            }
            _ => runs.push(Run { column, cells, text: cell.symbol().to_owned(), look }),
        }
        column += cells;
    }
    runs
}

/// ASCII joins ASCII, and a repeated character joins itself (bars and frames).
fn joins(text: &str, symbol: &str, is_plain: bool) -> bool {
    if is_plain { text.is_ascii() } else { text.ends_with(symbol) && text.starts_with(symbol) }
}

fn look(cell: &Cell) -> Look {
    let is_reversed = cell.modifier.contains(Modifier::REVERSED);
    let (fg, bg) = (colour(cell.fg), colour(cell.bg));
    let (fg, bg) = if is_reversed {
        (bg.unwrap_or(BACKGROUND), fg.or(Some(FOREGROUND)))
    } else {
        (fg.unwrap_or(FOREGROUND), bg)
    };
    Look {
        fg,
        bg,
        is_bold: cell.modifier.contains(Modifier::BOLD),
        is_dim: cell.modifier.contains(Modifier::DIM),
    }
}

fn write_run(out: &mut String, run: &Run, row: usize) {
    let (x, y, wide) = (MARGIN + run.column * CELL.0, MARGIN + row * CELL.1, run.cells * CELL.0);
    if let Some(bg) = run.look.bg {
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{}\" fill=\"{bg}\"/>", CELL.1);
    }
    if run.text.trim().is_empty() {
        return;
    }
    if let Some((from, to)) = block(&run.text) {
        return write_block(out, run, (x, y), (from, to));
    }
    if let Some(path) = strokes(&run.text, (x, y)) {
        let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{}\" fill=\"none\"/>", run.look.fg);
        return;
    }
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{wide}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{}{}{}>",
        y + FONT,
        run.look.fg,
        // Fonts draw a circled number as wide as two cells.
        if run.text.starts_with(|first| ('①'..='⑳').contains(&first)) { " font-size=\"10\"" } else { "" },
        if run.look.is_bold { " font-weight=\"bold\"" } else { "" },
        if run.look.is_dim { " opacity=\"0.6\"" } else { "" },
    );
    for character in run.text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
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

/// Full, partial and shaded blocks are drawn as rectangles, so that bars have no seams: the part of the last cell
/// that is filled, in eighths, and the opacity in percent.
fn block(text: &str) -> Option<((usize, usize), usize)> {
    let character = text.chars().next()?;
    let is_one = text.chars().all(|other| other == character);
    let (part, opacity) = match character {
        '█' => ((0, 8), 100),
        '▓' => ((0, 8), 75),
        '▒' => ((0, 8), 50),
        '░' => ((0, 8), 28),
        '▐' => ((4, 8), 100),
        '▉'..='▏' => ((0, 0x2590 - character as usize), 100),
        _ => return None,
    };
    is_one.then_some((part, opacity))
}

fn write_block(
    out: &mut String,
    run: &Run,
    (x, y): (usize, usize),
    ((from, to), opacity): ((usize, usize), usize),
) {
    let left = x + from * CELL.0 / 8;
    let wide = (run.cells - 1) * CELL.0 + (to - from) * CELL.0 / 8;
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" opacity=\"{}\"/>",
        y + 2,
        wide.max(1),
        CELL.1 - 4,
        run.look.fg,
        opacity as f64 / 100.0,
    );
}

/// The sixteen colours on a dark ground, chosen to be told apart with red-green blindness as well.
const fn colour(colour: Color) -> Option<&'static str> {
    Some(match colour {
        Color::Black => "#11151c",
        Color::Red => "#e5534b",
        Color::LightRed => "#ff7b72",
        Color::Green => "#57ab5a",
        Color::LightGreen => "#8ddb8c",
        Color::Yellow => "#e3b341",
        Color::LightYellow => "#f2cc60",
        Color::Blue => "#539bf5",
        Color::LightBlue => "#79b8ff",
        Color::Magenta => "#d39ef0",
        Color::LightMagenta => "#e2c5ff",
        Color::Cyan => "#56d4dd",
        Color::LightCyan => "#a0ecf1",
        Color::Gray => "#9aa4b2",
        Color::DarkGray => "#4b5463",
        Color::White => "#f0f3f8",
        _ => return None,
    })
}
