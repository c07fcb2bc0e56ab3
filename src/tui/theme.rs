//! Tones as terminal styles: the sixteen colours of the user's own palette, or none.

use ratatui::style::{Color, Modifier, Style};

use crate::timeline::Tone;

/// Whether colours may be used. Without them only bold, dim and reverse tell tones apart; signs always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    pub(super) is_coloured: bool,
}

impl Theme {
    pub(super) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let modified = match tone {
            Tone::Head | Tone::Strong | Tone::Bad => style.add_modifier(Modifier::BOLD),
            Tone::Found => style.add_modifier(Modifier::REVERSED),
            Tone::Dim | Tone::Faint if !self.is_coloured => style.add_modifier(Modifier::DIM),
            _ => style,
        };
        match (self.is_coloured, hue(tone)) {
            (true, Some(colour)) => modified.fg(colour),
            _ => modified,
        }
    }

    /// The chosen row of a list.
    pub(super) fn chosen(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.is_coloured { style.bg(Color::DarkGray) } else { style.add_modifier(Modifier::REVERSED) }
    }
}

const fn hue(tone: Tone) -> Option<Color> {
    match tone {
        Tone::Plain | Tone::Strong | Tone::Found => None,
        Tone::Dim => Some(Color::Gray),
        Tone::Faint => Some(Color::DarkGray),
        Tone::Request => Some(Color::Cyan),
        Tone::Reply => Some(Color::Magenta),
        Tone::Own => Some(Color::Yellow),
        Tone::Head | Tone::Accent => Some(Color::LightBlue),
        Tone::Good => Some(Color::Green),
        Tone::Bad => Some(Color::LightRed),
    }
}
