//! Tones as terminal styles. A theme is a palette on a ground; where no colours may be used, attributes tell tones
//! apart. Signs and textures always do.

use std::str::FromStr as _;

use ratatui::style::{Color, Modifier, Style};

use crate::timeline::Tone;

/// What the terminal's own background is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ground {
    #[default]
    Dark,
    Light,
}

/// Which colours are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Palette {
    /// The sixteen of the user's own terminal on dark, darker ones on light.
    #[default]
    Usual,
    /// At least 7:1 to the ground (WCAG 2.2, 1.4.6), and nothing dim.
    HighContrast,
    /// Told apart without red and green, after Okabe and Ito.
    ColourBlind,
}

/// The style of each tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    ground: Ground,
    /// In the order of [`Tone`].
    styles: [Style; Tone::ALL.len()],
    chosen: Style,
}

impl Theme {
    pub fn new(palette: Palette, ground: Ground) -> Theme {
        let style = |tone| {
            let style = attributes(palette, tone);
            colour(palette, ground, tone).map_or(style, |colour| style.fg(colour))
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let chosen = match (palette, ground) {
            (Palette::HighContrast, _) => bold.add_modifier(Modifier::REVERSED),
            (_, Ground::Dark) => bold.bg(Color::Indexed(237)),
            (_, Ground::Light) => bold.bg(Color::Indexed(254)),
        };
        Theme { ground, styles: Tone::ALL.map(style), chosen }
    }

    /// Without any colour (no-color.org).
    pub fn plain() -> Theme {
        let style = |tone| match tone {
            Tone::Dim | Tone::Faint => Style::new().add_modifier(Modifier::DIM),
            other => attributes(Palette::Usual, other),
        };
        let chosen = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
        Theme { ground: Ground::Dark, styles: Tone::ALL.map(style), chosen }
    }

    /// Gives the tone called `name` another colour: a colour's name, `#rrggbb`, or its number of 256.
    ///
    /// # Errors
    /// What is wrong, and what to try.
    pub fn paint(&mut self, name: &str, colour: &str) -> Result<(), String> {
        let Some(tone) = Tone::ALL.into_iter().find(|tone| tone.name() == name) else {
            return Err(format!("`{name}` is no tone; there are {}", Tone::ALL.map(Tone::name).join(", ")));
        };
        let colour = Color::from_str(colour).map_err(|_| {
            format!(
                "`{colour}` is no colour; write a name such as light-blue, #rrggbb, or a number up to 255"
            )
        })?;
        let style = &mut self.styles[tone as usize];
        *style = style.fg(colour);
        Ok(())
    }

    pub(super) fn style(&self, tone: Tone) -> Style {
        self.styles[tone as usize]
    }

    /// The chosen row of a list.
    pub(super) fn chosen(&self) -> Style {
        self.chosen
    }

    pub(super) fn ground(&self) -> Ground {
        self.ground
    }
}

/// What a tone has beside its colour.
fn attributes(palette: Palette, tone: Tone) -> Style {
    let style = Style::new();
    match (palette, tone) {
        (Palette::HighContrast, Tone::Bad) | (_, Tone::Found) => {
            style.add_modifier(Modifier::BOLD | Modifier::REVERSED)
        }
        (_, Tone::Head | Tone::Strong | Tone::Bad) => style.add_modifier(Modifier::BOLD),
        _ => style,
    }
}

/// A tone's colour; without one it is the terminal's own.
const fn colour(palette: Palette, ground: Ground, tone: Tone) -> Option<Color> {
    match (palette, ground) {
        (Palette::Usual, Ground::Dark) => dark(tone),
        (Palette::Usual, Ground::Light) => light(tone),
        (Palette::HighContrast, Ground::Dark) => high_contrast_dark(tone),
        (Palette::HighContrast, Ground::Light) => high_contrast_light(tone),
        (Palette::ColourBlind, Ground::Dark) => colour_blind_dark(tone),
        (Palette::ColourBlind, Ground::Light) => colour_blind_light(tone),
    }
}

const fn dark(tone: Tone) -> Option<Color> {
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

const fn light(tone: Tone) -> Option<Color> {
    Some(Color::Indexed(match tone {
        Tone::Plain | Tone::Strong | Tone::Found => return None,
        Tone::Dim => 240,
        Tone::Faint => 244,
        Tone::Request => 24,
        Tone::Reply => 91,
        Tone::Own => 94,
        Tone::Head | Tone::Accent => 26,
        Tone::Good => 28,
        Tone::Bad => 160,
    }))
}

const fn high_contrast_dark(tone: Tone) -> Option<Color> {
    Some(Color::Indexed(match tone {
        Tone::Plain | Tone::Strong | Tone::Found | Tone::Dim | Tone::Faint => return None,
        Tone::Request => 51,
        Tone::Reply => 219,
        Tone::Own => 226,
        Tone::Head | Tone::Accent => 117,
        Tone::Good => 120,
        Tone::Bad => 217,
    }))
}

const fn high_contrast_light(tone: Tone) -> Option<Color> {
    Some(Color::Indexed(match tone {
        Tone::Plain | Tone::Strong | Tone::Found | Tone::Dim | Tone::Faint => return None,
        Tone::Request => 17,
        Tone::Reply => 53,
        Tone::Own => 52,
        Tone::Head | Tone::Accent => 18,
        Tone::Good => 22,
        Tone::Bad => 88,
    }))
}

const fn colour_blind_dark(tone: Tone) -> Option<Color> {
    Some(Color::Indexed(match tone {
        Tone::Plain | Tone::Strong | Tone::Found => return None,
        Tone::Dim => 248,
        Tone::Faint => 243,
        Tone::Request => 74,
        Tone::Reply => 227,
        Tone::Own => 175,
        Tone::Head | Tone::Accent => 153,
        Tone::Good => 75,
        Tone::Bad => 208,
    }))
}

const fn colour_blind_light(tone: Tone) -> Option<Color> {
    Some(Color::Indexed(match tone {
        Tone::Plain | Tone::Strong | Tone::Found => return None,
        Tone::Dim => 240,
        Tone::Faint => 244,
        Tone::Request => 25,
        Tone::Reply => 58,
        Tone::Own => 126,
        Tone::Head | Tone::Accent => 18,
        Tone::Good => 24,
        Tone::Bad => 130,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Stage, Way};
    use crate::timeline::headline::state_tone;
    use crate::timeline::{Manner, sample};
    use crate::tui::picture::{Rgb, ground, rgb};

    const PALETTES: [Palette; 3] = [Palette::Usual, Palette::HighContrast, Palette::ColourBlind];

    fn drawn(palette: Palette, on: Ground, tone: Tone) -> Rgb {
        let style = Theme::new(palette, on).style(tone);
        style.fg.and_then(|colour| rgb(colour, on)).unwrap_or(ground(on).1)
    }

    fn linear([r, g, b]: Rgb) -> [f64; 3] {
        [r, g, b].map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Contrast by WCAG 2.2.
    fn contrast(one: Rgb, other: Rgb) -> f64 {
        let luminance = |colour| {
            let [r, g, b] = linear(colour);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_tone_can_be_read_on_its_ground() {
        for palette in PALETTES {
            for on in [Ground::Dark, Ground::Light] {
                for tone in Tone::ALL {
                    let least = match (palette, tone) {
                        (Palette::HighContrast, _) => 7.0,
                        // Signs and frames, not text (WCAG 2.2, 1.4.11).
                        (_, Tone::Faint) => 2.4,
                        _ => 4.5,
                    };
                    let found = contrast(drawn(palette, on, tone), ground(on).0);
                    assert!(found >= least, "{palette:?} on {on:?}: {tone:?} has {found:.1}");
                }
            }
        }
    }

    /// What someone without one kind of cone sees: the matrices of Machado, Oliveira and Fernandes (2009) for full
    /// protanopia and deuteranopia, on linear parts.
    #[test]
    fn the_colour_blind_palette_is_told_apart() {
        const PROTAN: [[f64; 3]; 3] = [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ];
        const DEUTAN: [[f64; 3]; 3] = [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ];
        // Those that stand beside each other with the same sign.
        let pairs = [
            (Tone::Request, Tone::Reply),
            (Tone::Request, Tone::Own),
            (Tone::Reply, Tone::Own),
            (Tone::Good, Tone::Bad),
        ];
        for on in [Ground::Dark, Ground::Light] {
            for (one, other) in pairs {
                for matrix in [PROTAN, DEUTAN] {
                    let seen = |tone| {
                        let parts = linear(drawn(Palette::ColourBlind, on, tone));
                        matrix.map(|row| {
                            row.iter()
                                .zip(parts)
                                .map(|(weight, part)| weight * part)
                                .sum::<f64>()
                                .clamp(0.0, 1.0)
                                .cbrt()
                        })
                    };
                    let apart: f64 =
                        seen(one).iter().zip(seen(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(apart > 0.15, "{one:?} and {other:?} on {on:?}: {apart:.2}");
                }
            }
        }
    }

    #[test]
    fn without_colour_attributes_are_left() {
        let plain = Theme::plain();
        for tone in Tone::ALL {
            assert_eq!((plain.style(tone).fg, plain.style(tone).bg), (None, None));
        }
        for (one, other) in [(Tone::Plain, Tone::Dim), (Tone::Plain, Tone::Bad), (Tone::Accent, Tone::Dim)] {
            assert_ne!(plain.style(one), plain.style(other));
        }
    }

    /// Sign and attributes, without any colour: what is left on a screen of one colour, and on paper.
    #[test]
    fn states_differ_without_colour_in_every_theme() {
        let stage = Stage { way: Way::Request, number: 5 };
        let states = sample::states();
        for manner in [Manner::default(), Manner::ascii()] {
            let looks = states.map(|state| {
                let style = Theme::plain().style(state_tone(&state, stage.way));
                (manner.mark(stage, &state), style.add_modifier)
            });
            for (index, look) in looks.iter().enumerate() {
                assert!(!looks[..index].contains(look), "{look:?}");
            }
        }
    }

    #[test]
    fn a_tone_is_painted_by_name() {
        let mut theme = Theme::new(Palette::Usual, Ground::Dark);
        theme.paint("request", "#102030").expect("painted");
        theme.paint("bad", "light-magenta").expect("painted");
        theme.paint("own", "208").expect("painted");
        let colours = [Tone::Request, Tone::Bad, Tone::Own].map(|tone| theme.style(tone).fg);
        assert_eq!(
            colours,
            [Some(Color::Rgb(16, 32, 48)), Some(Color::LightMagenta), Some(Color::Indexed(208))]
        );
        assert!(theme.paint("sky", "red").is_err_and(|said| said.contains("request")));
        assert!(theme.paint("bad", "reddish").is_err_and(|said| said.contains("#rrggbb")));
    }
}
