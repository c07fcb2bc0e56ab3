//! The configuration file: TOML with what the user likes. A wrong entry is told by file and line, with what to try.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::arguments::{LanguageArgument, ThemeArgument};

/// Files larger than this are no configuration.
const MAX_BYTES: u64 = 1 << 20;

/// What the file says; what it leaves out is `None` or empty.
#[derive(Debug, Default)]
pub(super) struct Preferences {
    pub(super) path: Option<PathBuf>,
    pub(super) lang: Option<LanguageArgument>,
    pub(super) theme: Option<ThemeArgument>,
    pub(super) mouse: Option<bool>,
    pub(super) capture: Vec<String>,
    pub(super) uplinks: Vec<String>,
    pub(super) workloads: Vec<String>,
    pub(super) columns: Vec<Entry>,
    pub(super) keys: Vec<Entry>,
    pub(super) colours: Vec<Entry>,
}

/// An entry whose names belong to another room, which checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    pub name: String,
    pub values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    lang: Option<LanguageArgument>,
    theme: Option<ThemeArgument>,
    mouse: Option<bool>,
    #[serde(default)]
    columns: Vec<Spanned<String>>,
    #[serde(default)]
    interfaces: Interfaces,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, Texts>,
    #[serde(default, alias = "colors")]
    colours: BTreeMap<Spanned<String>, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interfaces {
    #[serde(default)]
    capture: Texts,
    #[serde(default)]
    uplink: Texts,
    #[serde(default)]
    workload: Texts,
}

/// `"x"` or `["x", "y"]`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of texts in brackets")]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Texts {
        Texts::Many(Vec::new())
    }
}

impl Texts {
    fn all(self) -> Vec<String> {
        match self {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        }
    }
}

impl Preferences {
    /// Reads the file that was named, else the first of `places` that exists.
    ///
    /// # Errors
    /// When it cannot be read, or an entry is wrong.
    pub(super) fn find(named: Option<&Path>, places: &[PathBuf]) -> Result<Preferences, ConfigError> {
        if let Some(path) = named {
            let text = read(path).map_err(|error| unreadable(path, &error))?;
            return Preferences::parse(path, &text);
        }
        for path in places {
            match read(path) {
                Ok(text) => return Preferences::parse(path, &text),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unreadable(path, &error)),
            }
        }
        Ok(Preferences::default())
    }

    fn parse(path: &Path, text: &str) -> Result<Preferences, ConfigError> {
        let file: Text = toml::from_str(text).map_err(|error| {
            let what = error.message().replace('\n', " ");
            wrong(path, line(text, &error.span().unwrap_or_default()), &what)
        })?;
        let entry = |(name, values): (Spanned<String>, Vec<String>)| Entry {
            line: line(text, &name.span()),
            name: name.into_inner(),
            values,
        };
        Ok(Preferences {
            path: Some(path.to_owned()),
            lang: file.lang,
            theme: file.theme,
            mouse: file.mouse,
            capture: file.interfaces.capture.all(),
            uplinks: file.interfaces.uplink.all(),
            workloads: file.interfaces.workload.all(),
            columns: file.columns.into_iter().map(|name| entry((name, Vec::new()))).collect(),
            keys: file.keys.into_iter().map(|(name, texts)| entry((name, texts.all()))).collect(),
            colours: file.colours.into_iter().map(|(name, text)| entry((name, vec![text]))).collect(),
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn is_absent(error: &io::Error) -> bool {
    // Where a part of the path is a file, or may not be entered, there is no file of this user's.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let what =
        if error.kind() == io::ErrorKind::NotFound { "no such file".to_owned() } else { error.to_string() };
    ConfigError::Unusable(format!(
        "{}: {what}; name a configuration that can be read with --config",
        path.display()
    ))
}

/// One line on a wrong entry.
pub(super) fn wrong(path: &Path, line: usize, what: &str) -> ConfigError {
    ConfigError::Unusable(format!(
        "{}: line {line}: {what}; correct it, or try without: --config /dev/null",
        path.display()
    ))
}

fn line(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Preferences, ConfigError> {
        Preferences::parse(Path::new("config.toml"), text)
    }

    #[test]
    fn every_entry_is_read() {
        let text = "lang = \"zh\"\ntheme = \"colour-blind\"\nmouse = false\ncolumns = [\n\"time\", \"ends\"]\n[interfaces]\ncapture = [\"eth0\", \"veth*\"]\n\
                    uplink = \"eth*\"\nworkload = \"veth*\"\n[keys]\nquit = \"Q\"\ndown = [\"j\", \"Ctrl-n\"]\n[colours]\nbad = \"#ff8800\"\n";
        let told = parse(text).expect("a configuration");
        assert_eq!(
            (told.lang, told.theme, told.mouse),
            (Some(LanguageArgument::Zh), Some(ThemeArgument::ColourBlind), Some(false))
        );
        assert_eq!(
            (told.capture, told.uplinks, told.workloads),
            (vec!["eth0".to_owned(), "veth*".to_owned()], vec!["eth*".to_owned()], vec!["veth*".to_owned()])
        );
        let columns: Vec<_> = told.columns.iter().map(|entry| (entry.line, entry.name.as_str())).collect();
        assert_eq!(columns, [(5, "time"), (5, "ends")]);
        let keys: Vec<_> =
            told.keys.iter().map(|entry| (entry.line, entry.name.as_str(), entry.values.len())).collect();
        assert_eq!(keys, [(12, "down", 2), (11, "quit", 1)]);
        assert_eq!(told.colours, [Entry { line: 14, name: "bad".into(), values: vec!["#ff8800".into()] }]);
        assert!(parse("[colors]\nbad = \"red\"\n").is_ok_and(|told| told.colours.len() == 1));
    }

    #[test]
    fn a_wrong_entry_is_told_with_its_line() {
        for (text, parts) in [
            ("\nlanguage = \"zh\"\n", &["config.toml: line 2: ", "expected one of `lang`"][..]),
            ("lang = \"de\"\n", &["line 1: ", "`en` or `zh`"]),
            ("# x\n\ntheme = \"pink\"\n", &["line 3: ", "`high-contrast`"]),
            ("mouse = \"no\"\n", &["line 1: ", "boolean"]),
            ("[keys]\nquit = 3\n", &["line 2: ", "expected a text, or a list"]),
            ("[interfaces]\nuplinks = \"eth*\"\n", &["line 2: ", "`uplink`"]),
            ("lang = \n", &["line 1: "]),
            ("lang = \"en\"\nlang = \"zh\"\n", &["line 2: "]),
        ] {
            let said = parse(text).expect_err(text).to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains("--config /dev/null"), "{said}");
        }
    }

    #[test]
    fn the_first_file_that_exists_is_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let places =
            ["none/config.toml", "first.toml", "second.toml"].map(|name| directory.path().join(name));
        assert!(Preferences::find(None, &places).is_ok_and(|told| told.path.is_none()));
        std::fs::write(&places[2], "mouse = false\n").expect("written");
        assert_eq!(Preferences::find(None, &places).expect("read").path.as_deref(), Some(&*places[2]));
        std::fs::write(&places[1], "mouse = true\n").expect("written");
        assert_eq!(Preferences::find(None, &places).expect("read").path.as_deref(), Some(&*places[1]));
        let named = Preferences::find(Some(&places[2]), &places).expect("read");
        assert_eq!((named.path.as_deref(), named.mouse), (Some(&*places[2]), Some(false)));
        let said = Preferences::find(Some(&places[0]), &places).expect_err("there is none").to_string();
        assert!(said.contains("none/config.toml: no such file"), "{said}");
        std::fs::write(&places[1], [0xff, 0xfe]).expect("written");
        assert!(Preferences::find(None, &places).is_err(), "no text");
    }
}
