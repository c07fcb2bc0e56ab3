//! The terminal: taken at the start, given back however the program ends, and the loop between.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use crossterm::cursor::Show;
use crossterm::event::{self, DisableMouseCapture, Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::LeaveAlternateScreen;
use nix::sys::signal::{SigSet, Signal};
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::clock::Stopwatch;
use crate::app::session::Session;
use crate::config::Picture;
use crate::tui::{Effect, News, Screen, Settings, draw, picture, render};

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(40);
/// Between two drawings while nothing happens: often enough to be told to end.
const REST: Duration = Duration::from_millis(200);
/// Taking in news may last this long before the screen is drawn again.
const INTAKE: Duration = Duration::from_millis(30);

/// As Rust's own runtime says it.
const PANICKED: i32 = 101;

/// After a signal the loop has this long to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Raw mode and the alternate screen, until it is dropped. A panic gives the terminal back as well, before it is
/// reported.
pub struct Guard {
    terminal: DefaultTerminal,
}

impl Guard {
    /// # Errors
    /// When there is no terminal to take.
    pub fn take() -> io::Result<Guard> {
        let guard = Guard { terminal: ratatui::try_init()? };
        // A panic of any thread: whoever draws must not go on drawing over what was given back.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            std::process::exit(PANICKED);
        }));
        Ok(guard)
    }
}

/// How the terminal was before the screen, for a process beside the one that takes it.
pub(super) struct Saved(Option<Termios>);

impl Saved {
    pub(super) fn now() -> Saved {
        Saved(tcgetattr(io::stdout()).ok())
    }

    /// Gives the terminal back where a program that took it is gone and did not.
    pub(super) fn restore(&self) {
        let Some(before) = &self.0 else { return };
        let is_raw = tcgetattr(io::stdout()).is_ok_and(|now| now.local_modes != before.local_modes);
        if !is_raw {
            return;
        }
        // A process in the background is stopped where it sets the terminal, unless it blocks that: tcsetpgrp(3).
        // There is nothing to be done where even this fails.
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTTOU);
        let _ = blocked.thread_block();
        let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = tcsetattr(io::stdout(), OptionalActions::Now, before);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // There is nothing to be done where even this fails.
        let _ = ratatui::try_restore();
    }
}

/// Shows what comes from `news` until the user quits or the program is told to end.
///
/// # Errors
/// When the terminal cannot be used.
pub fn show(settings: Settings, news: &Receiver<Vec<News>>, session: &mut Session) -> anyhow::Result<()> {
    let is_told_to_end = Arc::new(AtomicBool::new(false));
    let _watched = watch_signals(Arc::clone(&is_told_to_end)).context("signals cannot be watched")?;
    let mut guard =
        Guard::take().context("the screen needs a terminal; `hopline report` writes the same without one")?;
    let watch = Stopwatch::start();
    let mut screen = Screen::new(settings);
    let mut is_open = true;
    while !is_told_to_end.load(Ordering::Relaxed) {
        is_open = is_open && take_in(&mut screen, news, watch);
        session.news().into_iter().for_each(|item| screen.take(item));
        let size = guard.terminal.size()?;
        screen.refresh(watch.elapsed(), size.width, size.height);
        guard.terminal.draw(|frame| draw(&screen, frame))?;
        let mut patience = if screen.is_moving() { FRAME } else { REST };
        while event::poll(patience)? {
            patience = Duration::ZERO;
            let event = event::read()?;
            if let Event::Resize(width, height) = event {
                // Also where the size is what it was: in between the terminal may have cut off or moved what it
                // showed. This draws everything anew.
                guard.terminal.resize(Rect::new(0, 0, width, height))?;
            }
            match screen.handle(&event) {
                Some(Effect::Quit) => return Ok(()),
                Some(effect) => carry_out(effect, &mut screen, session),
                None => {}
            }
            // Later keys act on what the earlier ones changed.
            screen.refresh(watch.elapsed(), size.width, size.height);
        }
    }
    Ok(())
}

fn carry_out(effect: Effect, screen: &mut Screen, session: &mut Session) {
    match effect {
        Effect::Quit => {}
        Effect::Picture => write_picture(screen, session),
        Effect::ProposeRecording => screen.ask_where_to_record(&session.proposed_name()),
        Effect::Record(name) => match session.record(&name) {
            Ok(path) => screen.tell_recording(&path),
            Err(error) => screen.refuse_recording(&name, error.to_string()),
        },
        Effect::StopRecording => {
            if let Some(state) = session.stop_recording() {
                screen.tell_end_of_recording(&state);
            }
        }
    }
}

/// Sets `is_told_to_end` on a signal. The loop sees it soon, unless it waits for keys from a terminal that is gone,
/// which never returns: then the program ends from here. Watching is over when the result is dropped.
fn watch_signals(is_told_to_end: Arc<AtomicBool>) -> io::Result<Sender<()>> {
    let mut signals = Signals::new([SIGTERM, SIGHUP])?;
    let (watched, is_over) = crossbeam_channel::bounded::<()>(0);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            is_told_to_end.store(true, Ordering::Relaxed);
            if is_over.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                let _ = ratatui::try_restore();
                std::process::exit(1);
            }
        }
    })?;
    Ok(watched)
}

/// Hands news to the screen, for a while; gives whether more may come.
fn take_in(screen: &mut Screen, news: &Receiver<Vec<News>>, watch: Stopwatch) -> bool {
    let start = watch.elapsed();
    while watch.elapsed().saturating_sub(start) < INTAKE {
        match news.try_recv() {
            Ok(batch) => batch.into_iter().for_each(|item| screen.take(item)),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
    true
}

/// Draws without a terminal: everything that comes from `news`, after the picture's keys, into its file.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn paint(settings: Settings, news: &Receiver<Vec<News>>, picture: &Picture) -> anyhow::Result<()> {
    let (columns, rows) = picture.size;
    let mut screen = Screen::new(settings);
    news.iter().flatten().for_each(|item| screen.take(item));
    if let Some(failure) = screen.failure() {
        bail!("{failure}");
    }
    screen.refresh(Duration::ZERO, columns, rows);
    for key in picture.keys.chars() {
        screen.handle(&Event::Key(KeyEvent::new(code(key), KeyModifiers::NONE)));
        screen.refresh(Duration::ZERO, columns, rows);
    }
    let path = &picture.path;
    std::fs::write(path, drawn(&screen, picture.size))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The key that types a character.
const fn code(character: char) -> KeyCode {
    match character {
        '\n' | '\r' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\u{1b}' => KeyCode::Esc,
        other => KeyCode::Char(other),
    }
}

fn drawn(screen: &Screen, (width, height): (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    render(screen, buffer.area, &mut buffer);
    picture::svg(&buffer)
}

/// Writes the screen as it is beside where the program was started, and says where or why not.
fn write_picture(screen: &mut Screen, session: &Session) {
    let svg = drawn(screen, screen.size());
    match new_picture(session).and_then(|(path, mut file)| file.write_all(svg.as_bytes()).map(|()| path)) {
        Ok(path) => screen.tell_picture(&path.display().to_string()),
        Err(error) => screen.tell(format!("{error}")),
    }
}

/// The first of `hopline-1.svg`, `hopline-2.svg`, … that does not exist yet.
fn new_picture(session: &Session) -> io::Result<(PathBuf, File)> {
    for number in 1..1000 {
        let name = format!("hopline-{number}.svg");
        match session.files.create(&name) {
            Ok(created) => return Ok(created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        }
    }
    Err(io::Error::other("there are pictures hopline-1.svg to hopline-999.svg already"))
}
