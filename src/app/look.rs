//! What the user likes, made into what the screen takes: the names of keys and tones are the screen's own.

use crate::config::{self, ConfigError, Entry, Surroundings};
use crate::tui::Look;
use crate::tui::columns::Column;
use crate::tui::keys::Keys;
use crate::tui::theme::{Ground, Palette, Theme};

/// What is around this process.
pub(super) fn surroundings() -> Surroundings {
    Surroundings { locale: locale(), places: places() }
}

/// The user's locale, by POSIX's order of the variables.
fn locale() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable).unwrap_or_default()
}

/// Where a configuration file may be: XDG Base Directory Specification 0.8.
fn places() -> Vec<std::path::PathBuf> {
    let home = variable("XDG_CONFIG_HOME").or_else(|| Some(format!("{}/.config", variable("HOME")?)));
    let others = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".to_owned());
    let directories = home.iter().map(String::as_str).chain(others.split(':'));
    // A relative path is none, by the specification.
    let absolute = directories.filter(|directory| directory.starts_with('/'));
    absolute.map(|directory| std::path::Path::new(directory).join("hopline/config.toml")).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `NO_COLOR` counts when it is set and not empty (no-color.org).
pub(super) fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the theme depends on what the terminal's background is.
pub(super) fn asks_for_ground(look: &config::Look) -> bool {
    is_colour_wanted() && !matches!(look.theme, config::Theme::Dark | config::Theme::Light)
}

/// The screen's look on a terminal of `ground`.
///
/// # Errors
/// When an entry of the configuration file is wrong, in one line.
pub(super) fn screen(look: &config::Look, ground: Ground) -> Result<Look, ConfigError> {
    let mut keys = Keys::default();
    for entry in &look.keys {
        keys.bind(&entry.name, &entry.values).map_err(|what| look.wrong(entry, &what))?;
    }
    let mut theme = match look.theme {
        config::Theme::Auto => Theme::new(Palette::Usual, ground),
        config::Theme::Dark => Theme::new(Palette::Usual, Ground::Dark),
        config::Theme::Light => Theme::new(Palette::Usual, Ground::Light),
        config::Theme::HighContrast => Theme::new(Palette::HighContrast, ground),
        config::Theme::ColourBlind => Theme::new(Palette::ColourBlind, ground),
    };
    for entry in &look.colours {
        let Entry { name, values, .. } = entry;
        let colour = values.first().map_or("", String::as_str);
        theme.paint(name, colour).map_err(|what| look.wrong(entry, &what))?;
    }
    let columns = Column::read(look.columns.iter().map(|entry| entry.name.as_str()))
        .map_err(|(place, what)| look.wrong(&look.columns[place], &what))?;
    let theme = if is_colour_wanted() { theme } else { Theme::plain() };
    Ok(Look { theme, keys, columns, has_mouse: look.has_mouse })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(keys: &[(&str, &str)], colours: &[(&str, &str)]) -> config::Look {
        let entries = |pairs: &[(&str, &str)]| {
            let numbered = pairs.iter().zip(3..);
            numbered
                .map(|((name, value), line)| Entry {
                    line,
                    name: (*name).to_owned(),
                    values: vec![(*value).to_owned()],
                })
                .collect()
        };
        config::Look {
            manner: crate::timeline::Manner::default(),
            templates: None,
            theme: config::Theme::Auto,
            has_mouse: true,
            file: Some("x/config.toml".into()),
            keys: entries(keys),
            colours: entries(colours),
            columns: Vec::new(),
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_by_file_and_line() {
        for (wrong, parts) in [
            (look(&[("quit", "Q"), ("fly", "F")], &[]), ["x/config.toml: line 4: ", "`fly` is no action"]),
            (look(&[("quit", "Hyper-q")], &[]), ["x/config.toml: line 3: ", "`Hyper-q` is no key"]),
            (look(&[], &[("sky", "blue")]), ["x/config.toml: line 3: ", "`sky` is no tone"]),
            (look(&[], &[("bad", "#12")]), ["x/config.toml: line 3: ", "#rrggbb"]),
        ] {
            let said = screen(&wrong, Ground::Dark).expect_err("a wrong entry").to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        let mut columns = look(&[], &[]);
        columns.columns = ["time", "colour"]
            .map(|name| Entry { line: 9, name: name.to_owned(), values: Vec::new() })
            .to_vec();
        let said = screen(&columns, Ground::Dark).expect_err("a wrong column").to_string();
        assert!(said.contains("line 9: `colour` is no column; there are time"), "{said}");
        assert!(screen(&look(&[("quit", "Q")], &[("bad", "#ff0000")]), Ground::Light).is_ok());
    }
}
