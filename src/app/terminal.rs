//! The terminal: taken at the start, given back however the program ends, and the loop between.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::DefaultTerminal;
use ratatui::layout::Rect;
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::clock::Stopwatch;
use crate::app::ground::Late;
use crate::app::output;
use crate::app::packets::{Found, Packets, Wanted};
use crate::app::session::Session;
use crate::app::tracer::TraceHandle;
use crate::config::Picture;
use crate::tui::{Effect, News, Screen, Settings, draw};

/// Between two drawings at least: 60 in a second. Keys and news are looked for as often.
const FRAME: Duration = Duration::from_micros(16_667);
/// Between two drawings while nothing is told, but time goes on.
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
    has_mouse: bool,
}

/// Buttons and wheel, not every move (xterm's modes 1000 and 1006): a terminal far away sends a byte for each.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
pub(super) const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

impl Guard {
    /// # Errors
    /// When there is no terminal to take.
    pub fn take() -> io::Result<Guard> {
        let told = std::panic::take_hook();
        // Ratatui's own hook comes before, and gives back the rest.
        std::panic::set_hook(Box::new(move |panic| {
            let _ = write_out(MOUSE_OFF);
            told(panic);
        }));
        let guard = Guard { terminal: ratatui::try_init()?, has_mouse: false };
        // A panic of any thread: whoever draws must not go on drawing over what was given back.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            std::process::exit(PANICKED);
        }));
        Ok(guard)
    }

    /// Takes the mouse, or leaves it to the terminal.
    fn set_mouse(&mut self, has_mouse: bool) -> io::Result<()> {
        if self.has_mouse != has_mouse {
            self.has_mouse = has_mouse;
            write_out(if has_mouse { MOUSE_ON } else { MOUSE_OFF })?;
        }
        Ok(())
    }
}

pub(super) fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

impl Drop for Guard {
    fn drop(&mut self) {
        // There is nothing to be done where even this fails.
        let _ = self.set_mouse(false);
        let _ = ratatui::try_restore();
    }
}

/// Shows what comes from `news` until the user quits or the program is told to end.
///
/// # Errors
/// When the terminal cannot be used.
pub(super) fn show(
    settings: Settings,
    news: &Receiver<Vec<News>>,
    session: &mut Session,
) -> anyhow::Result<()> {
    let is_told_to_end = Arc::new(AtomicBool::new(false));
    let _watched = watch_signals(Arc::clone(&is_told_to_end)).context("signals cannot be watched")?;
    let mut guard =
        Guard::take().context("the screen needs a terminal; `hopline report` writes the same without one")?;
    let watch = Stopwatch::start();
    let mut screen = Screen::new(settings);
    let mut is_open = true;
    let mut late = Late::default();
    let mut drawn: Option<Duration> = None;
    let mut is_changed = true;
    while !is_told_to_end.load(Ordering::Relaxed) {
        if is_open {
            let (is_fresh, may_come) = take_in(&mut screen, news, watch);
            (is_changed, is_open) = (is_changed || is_fresh, may_come);
        }
        for item in session.news() {
            screen.take(item);
            is_changed = true;
        }
        screen.note_tracing(session.tracer.state());
        for found in session.lookup.finds().collect::<Vec<_>>() {
            take_found(&mut screen, found, session);
            is_changed = true;
        }
        let since = drawn.map_or(Duration::MAX, |drawn| watch.elapsed().saturating_sub(drawn));
        is_changed |= screen.is_playing() || (screen.is_reading() && since >= REST);
        if is_changed && since >= FRAME {
            let size = guard.terminal.size()?;
            guard.set_mouse(screen.has_mouse())?;
            screen.refresh(watch.elapsed(), size.width, size.height);
            guard.terminal.draw(|frame| draw(&screen, frame))?;
            (drawn, is_changed) = (Some(watch.elapsed()), false);
        }
        let mut patience = if is_changed { FRAME.saturating_sub(since) } else { FRAME };
        while event::poll(patience)? {
            (patience, is_changed) = (Duration::ZERO, true);
            let event = event::read()?;
            if late.takes(&event) {
                continue;
            }
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
            let (width, height) = screen.size();
            screen.refresh(watch.elapsed(), width, height);
        }
    }
    Ok(())
}

fn carry_out(effect: Effect, screen: &mut Screen, session: &mut Session) {
    match effect {
        Effect::Quit => {}
        Effect::Picture => output::write_picture(screen, session),
        Effect::Copy => output::copy(screen),
        Effect::Draw => output::write_journey(screen, session),
        Effect::Trace => trace(screen, session.tracer.as_ref()),
        Effect::Fetch => wanted(screen).into_iter().for_each(|wanted| session.lookup.begin(wanted)),
        Effect::Extract => wanted(screen).into_iter().for_each(|wanted| session.lookup.begin_extract(wanted)),
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

/// Begins or ends tracing.
fn trace(screen: &mut Screen, tracer: &dyn TraceHandle) {
    if screen.is_tracing() {
        return tracer.stop();
    }
    let flows = screen.to_trace();
    if !flows.is_empty() {
        tracer.trace(&flows);
    }
}

fn wanted(screen: &Screen) -> Option<Wanted> {
    screen.wanted().map(|(journey, topology)| Wanted { journey, topology })
}

fn take_found(screen: &mut Screen, found: Found, session: &Session) {
    match found {
        Found::News(news) => screen.take(news),
        Found::Extract(Ok(extract)) => output::write_extract(screen, &extract, session),
        Found::Extract(Err(error)) => screen.tell(format!("{error:#}")),
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
                let _ = write_out(MOUSE_OFF);
                let _ = ratatui::try_restore();
                std::process::exit(1);
            }
        }
    })?;
    Ok(watched)
}

/// Hands news to the screen, for a while; gives whether there were any, and whether more may come.
fn take_in(screen: &mut Screen, news: &Receiver<Vec<News>>, watch: Stopwatch) -> (bool, bool) {
    let start = watch.elapsed();
    let mut is_fresh = false;
    while watch.elapsed().saturating_sub(start) < INTAKE {
        match news.try_recv() {
            Ok(batch) => {
                is_fresh = true;
                for item in batch {
                    screen.take(item);
                }
            }
            Err(TryRecvError::Empty) => return (is_fresh, true),
            Err(TryRecvError::Disconnected) => return (is_fresh, false),
        }
    }
    (is_fresh, true)
}

/// Draws without a terminal: everything that comes from `news`, after the picture's keys, into its file.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn paint(
    settings: Settings,
    news: &Receiver<Vec<News>>,
    picture: &Picture,
    packets: &Packets,
) -> anyhow::Result<()> {
    let (columns, rows) = picture.size;
    let mut screen = Screen::new(settings);
    news.iter().flatten().for_each(|item| screen.take(item));
    if let Some(failure) = screen.failure() {
        bail!("{failure}");
    }
    screen.refresh(Duration::ZERO, columns, rows);
    for key in picture.keys.chars() {
        let effect = screen.handle(&Event::Key(KeyEvent::new(code(key), KeyModifiers::NONE)));
        if let (Some(Effect::Fetch), Some(wanted)) = (effect, wanted(&screen)) {
            screen.take(packets.news(&wanted));
        }
        screen.refresh(Duration::ZERO, columns, rows);
    }
    let path = &picture.path;
    std::fs::write(path, output::drawn(&screen, picture.size))
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
