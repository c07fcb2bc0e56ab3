//! A drawn screen as a picture: SVG made of the cells themselves.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::timeline::svg;
use crate::tui::screen::Screen;
use crate::tui::theme::Ground;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// Background and foreground.
pub(super) const fn ground(ground: Ground) -> (Rgb, Rgb) {
    match ground {
        Ground::Dark => ([0x11, 0x15, 0x1c], [0xd5, 0xda, 0xe3]),
        Ground::Light => ([0xff, 0xff, 0xff], [0x1f, 0x23, 0x28]),
    }
}

/// A run of cells of one look.
struct Run {
    column: usize,
    cells: usize,
    text: String,
    look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: Rgb,
    bg: Option<Rgb>,
    is_bold: bool,
    is_dim: bool,
}

/// The screen's buffer as a self-contained SVG document, on the ground that its theme is for.
pub fn svg(screen: &Screen, buffer: &Buffer) -> String {
    let on = screen.look.theme.ground();
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let mut out = String::with_capacity(columns * rows * 4 + 1024);
    svg::open(&mut out, columns, rows, "", &format!("fill=\"{}\"", hex(ground(on).0)));
    for row in 0..rows {
        for run in runs(buffer, row, columns, on) {
            write_run(&mut out, &run, row);
        }
    }
    svg::close(&mut out);
    out
}

fn runs(buffer: &Buffer, row: usize, columns: usize, on: Ground) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < columns {
        let Some(cell) = buffer.cell((buffer.area.x + column as u16, buffer.area.y + row as u16)) else {
            break;
        };
        let cells = cell.symbol().width().max(1);
        let look = look(cell, on);
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

fn look(cell: &Cell, on: Ground) -> Look {
    let is_reversed = cell.modifier.contains(Modifier::REVERSED);
    let (background, foreground) = ground(on);
    let (fg, bg) = (rgb(cell.fg, on), rgb(cell.bg, on));
    let (fg, bg) = if is_reversed {
        (bg.unwrap_or(background), fg.or(Some(foreground)))
    } else {
        (fg.unwrap_or(foreground), bg)
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
        svg::fill(out, place, run.cells, &hex(bg));
    }
    let bold = if run.look.is_bold { " font-weight=\"bold\"" } else { "" };
    let dim = if run.look.is_dim { " fill-opacity=\"0.6\"" } else { "" };
    svg::text(out, place, &run.text, &format!("color=\"{}\"{bold}{dim}", hex(run.look.fg)));
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A colour as a picture shows it. The sixteen were chosen for the ground, to be told apart with red-green
/// blindness as well; the others are xterm's cube and its greys.
pub(super) fn rgb(colour: Color, on: Ground) -> Option<Rgb> {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match colour {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(number @ 0..16) => Some(sixteen(on)[usize::from(number)]),
        Color::Indexed(number @ 16..232) => {
            let cube = number - 16;
            Some([cube / 36, cube / 6 % 6, cube % 6].map(|part| STEPS[usize::from(part)]))
        }
        Color::Indexed(number) => Some([8 + (number - 232) * 10; 3]),
        named => NAMED.iter().position(|other| *other == named).map(|index| sixteen(on)[index]),
    }
}

/// In the order of their numbers.
const NAMED: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

#[rustfmt::skip]
const fn sixteen(on: Ground) -> [Rgb; 16] {
    match on {
        Ground::Dark => [
            [0x11, 0x15, 0x1c], [0xe5, 0x53, 0x4b], [0x57, 0xab, 0x5a], [0xe3, 0xb3, 0x41],
            [0x53, 0x9b, 0xf5], [0xd3, 0x9e, 0xf0], [0x56, 0xd4, 0xdd], [0x9a, 0xa4, 0xb2],
            [0x5b, 0x65, 0x75], [0xff, 0x7b, 0x72], [0x8d, 0xdb, 0x8c], [0xf2, 0xcc, 0x60],
            [0x79, 0xb8, 0xff], [0xe2, 0xc5, 0xff], [0xa0, 0xec, 0xf1], [0xf0, 0xf3, 0xf8],
        ],
        Ground::Light => [
            [0x1f, 0x23, 0x28], [0xcf, 0x22, 0x2e], [0x1a, 0x7f, 0x37], [0x9a, 0x67, 0x00],
            [0x09, 0x69, 0xda], [0x82, 0x50, 0xdf], [0x0a, 0x6c, 0x86], [0x59, 0x63, 0x6e],
            [0x81, 0x8b, 0x98], [0xa4, 0x0e, 0x26], [0x11, 0x63, 0x29], [0x7d, 0x4e, 0x00],
            [0x05, 0x50, 0xae], [0x66, 0x39, 0xba], [0x06, 0x5a, 0x70], [0xff, 0xff, 0xff],
        ],
    }
}
