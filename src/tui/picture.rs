//! A drawn screen as a picture: SVG made of the cells themselves.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::timeline::svg;

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
    let mut out = String::with_capacity(columns * rows * 4 + 1024);
    svg::open(&mut out, columns, rows, "", &format!("fill=\"{BACKGROUND}\""));
    for row in 0..rows {
        for run in runs(buffer, row, columns) {
            write_run(&mut out, &run, row);
        }
    }
    svg::close(&mut out);
    out
}

fn runs(buffer: &Buffer, row: usize, columns: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < columns {
        let Some(cell) = buffer.cell((buffer.area.x + column as u16, buffer.area.y + row as u16)) else {
            break;
        };
        let cells = cell.symbol().width().max(1);
        let look = look(cell);
        match runs.last_mut() {
            Some(last) if last.look == look => {
                last.text.push_str(cell.symbol());
                last.cells += cells;
            }
            _ => runs.push(Run { column, cells, text: cell.symbol().to_owned(), look }),
        }
        column += cells;
    }
    runs
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
    let place = (run.column, row);
    if let Some(bg) = run.look.bg {
        svg::fill(out, place, run.cells, bg);
    }
    let bold = if run.look.is_bold { " font-weight=\"bold\"" } else { "" };
    let dim = if run.look.is_dim { " fill-opacity=\"0.6\"" } else { "" };
    svg::text(out, place, &run.text, &format!("color=\"{}\"{bold}{dim}", run.look.fg));
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
