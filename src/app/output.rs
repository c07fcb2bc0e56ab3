//! What the screen hands out: to the clipboard, and to files.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crossterm::clipboard::CopyToClipboard;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::packets::Extract;
use crate::app::session::Session;
use crate::tui::{Screen, picture, render};

/// Bytes that terminals take into their clipboard at once: 100,000 in base64.
const CLIPBOARD: usize = 74_000;

/// The screen as a picture.
pub(super) fn drawn(screen: &Screen, (width, height): (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    render(screen, buffer.area, &mut buffer);
    picture::svg(screen, &buffer)
}

/// Puts the chosen journey into the clipboard.
pub(super) fn copy(screen: &mut Screen) {
    let Some(copied) = screen.copied() else { return };
    let text = copied.text();
    if text.len() > CLIPBOARD {
        return screen.tell_too_long();
    }
    match crossterm::execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text)) {
        Ok(()) => screen.tell_copied(),
        Err(error) => screen.tell(error.to_string()),
    }
}

/// Writes the screen as it is beside where the program was started, and says where or why not.
pub(super) fn write_picture(screen: &mut Screen, session: &Session) {
    let svg = drawn(screen, screen.size());
    let written = write_files(&[("svg", svg.as_bytes())], session);
    tell_written(screen, written);
}

/// The same for the chosen journey alone, as a picture and as text.
pub(super) fn write_journey(screen: &mut Screen, session: &Session) {
    let Some(copied) = screen.copied() else { return };
    let written =
        write_files(&[("svg", copied.svg().as_bytes()), ("txt", copied.text().as_bytes())], session);
    tell_written(screen, written);
}

/// Writes the packets of a journey, and says how many.
pub(super) fn write_extract(screen: &mut Screen, extract: &Extract, session: &Session) {
    match write_files(&[("pcapng", &extract.bytes)], session) {
        Ok(path) => screen.tell_extract(&path, extract.packets, extract.missing, extract.left_out),
        Err(error) => screen.tell(error.to_string()),
    }
}

fn tell_written(screen: &mut Screen, written: io::Result<String>) {
    match written {
        Ok(paths) => screen.tell_picture(&paths),
        Err(error) => screen.tell(error.to_string()),
    }
}

/// Writes a file for each ending and what is in it; says where.
fn write_files(contents: &[(&str, &[u8])], session: &Session) -> io::Result<String> {
    let mut shown = Vec::new();
    for (ending, bytes) in contents {
        let (path, mut file) = new_file(ending, session)?;
        file.write_all(bytes)?;
        shown.push(path.display().to_string());
    }
    Ok(shown.join(" "))
}

/// The first of `hopline-1.svg`, `hopline-2.svg`, … that does not exist yet.
fn new_file(ending: &str, session: &Session) -> io::Result<(PathBuf, File)> {
    for number in 1..1000 {
        let name = format!("hopline-{number}.{ending}");
        match session.files.create(&name) {
            Ok(created) => return Ok(created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        }
    }
    Err(io::Error::other("there are files hopline-1 to hopline-999 already"))
}
