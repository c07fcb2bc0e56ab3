//! `hopline check`: every directory with an `expect.toml` is followed like a report and held against it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::app::report::{Followed, follow};
use crate::app::staging::place_all;
use crate::app::{FAILURE, UNUSABLE, templates};
use crate::capture::{SourcePath, SourceSpec};
use crate::check::{Case, Expectations, FILE_NAME, InputPart, compare, junit};
use crate::config::{self, Input};
use crate::correlate::Limits;
use crate::model::Journey;
use crate::report::Totals;
use crate::stages::Templates;
use crate::timeline::{Context, Manner};

/// A directory deeper than this below a PATH is not searched, so that a link to a parent ends.
const MAX_DEPTH: usize = 16;

/// Checks or blesses what `settings` names, says on stdout what came of it, and gives the exit code.
pub(super) fn run(settings: &config::Check) -> anyhow::Result<ExitCode> {
    let templates = templates(settings.templates.as_deref())?;
    let directories = directories(&settings.paths)?;
    if settings.is_blessing {
        return bless(&directories, &templates);
    }
    let cases: Vec<&PathBuf> =
        directories.iter().filter(|directory| directory.join(FILE_NAME).is_file()).collect();
    if cases.is_empty() {
        bail!("{}: no {FILE_NAME} there or below; write a first one with --bless", shown(&settings.paths));
    }
    let mut results = Vec::new();
    let mut is_unusable = false;
    let mut out = io::stdout().lock();
    for directory in cases {
        let name = directory.display().to_string();
        let differences = check_directory(directory, &templates).unwrap_or_else(|error| {
            is_unusable = true;
            vec![format!("cannot be checked: {error:#}")]
        });
        writeln!(out, "{}  {name}", if differences.is_empty() { "holds" } else { "FAILS" })?;
        for difference in &differences {
            writeln!(out, "       {name}: {difference}")?;
        }
        results.push(Case { name, differences });
    }
    let failed = results.iter().filter(|case| !case.differences.is_empty()).count();
    writeln!(out, "{} of {} hold", results.len() - failed, results.len())?;
    if let Some(file) = &settings.junit {
        fs::write(file, junit(&results))
            .with_context(|| format!("--junit {}: cannot be written", file.display()))?;
    }
    Ok(match (is_unusable, failed) {
        (true, _) => ExitCode::from(UNUSABLE),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(FAILURE),
    })
}

/// What differs between the recordings in `directory` and its `expect.toml`, a sentence each.
///
/// # Errors
/// When the file or a recording cannot be used.
pub fn check_directory(directory: &Path, templates: &Templates) -> anyhow::Result<Vec<String>> {
    let file = directory.join(FILE_NAME);
    let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let expected = Expectations::parse(&text).with_context(|| file.display().to_string())?;
    let shown = Shown::follow(directory, &expected.input, templates)?;
    Ok(shown.with_context(|context| compare(&expected, &shown.journeys, &shown.totals, context)))
}

/// Writes a first `expect.toml` where there are recordings and none is there yet.
fn bless(directories: &[PathBuf], templates: &Templates) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut count = 0;
    for directory in directories {
        let file = directory.join(FILE_NAME);
        if file.exists() {
            writeln!(out, "{}: is there already and stays as it is", file.display())?;
        } else if has_recordings(directory)? {
            let shown = Shown::follow(directory, &InputPart::default(), templates)?;
            let described =
                shown.with_context(|context| Expectations::describe(&shown.journeys, &shown.totals, context));
            fs::write(&file, described.to_toml()?)
                .with_context(|| format!("{} cannot be written", file.display()))?;
            writeln!(out, "{}: written; read it before you trust it", file.display())?;
        } else {
            continue;
        }
        count += 1;
    }
    if count == 0 {
        bail!("no recordings there; name directories that hold .pcap or .pcapng files");
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything a case's recordings show. Cases are small, so it is all kept.
struct Shown {
    followed: super::pipeline::Finished,
    journeys: Vec<Journey>,
    totals: Totals,
}

impl Shown {
    fn follow(directory: &Path, part: &InputPart, templates: &Templates) -> anyhow::Result<Shown> {
        let input = Input::new(sources(directory, &part.files)?, &part.ifmap, &part.clock)?;
        let input = Input { is_unjoined: part.no_joins, ..input };
        let Followed { finished, trails } = follow(&input, Limits::REPORT, None)?;
        let mut journeys: Vec<Journey> = Vec::new();
        let keep = |part: &mut Vec<Journey>, _, journey| part.push(journey);
        place_all(trails, templates, &finished.world(), &keep, &mut |part: Vec<Journey>| {
            journeys.extend(part);
            Ok(())
        })?;
        let mut totals = Totals::default();
        for journey in &journeys {
            totals.add(journey);
        }
        Ok(Shown { followed: finished, journeys, totals })
    }

    fn with_context<T>(&self, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let finished = &self.followed;
        work(&Context::new(&finished.topology, &finished.clocks, Manner::default()))
    }
}

/// The files named, in `directory`; without names the whole directory.
fn sources(directory: &Path, files: &[String]) -> anyhow::Result<Vec<SourceSpec>> {
    if files.is_empty() {
        return Ok(vec![SourceSpec { node: None, path: SourcePath::File(directory.to_owned()) }]);
    }
    let mut sources = Vec::new();
    for file in files {
        let mut source = config::source(OsString::from(file))?;
        match &mut source.path {
            SourcePath::File(path) => *path = directory.join(&*path),
            SourcePath::Stdin | SourcePath::Bundled { .. } => {
                bail!("files: - is stdin, which a case cannot have; name a file")
            }
        }
        sources.push(source);
    }
    Ok(sources)
}

fn has_recordings(directory: &Path) -> anyhow::Result<bool> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    Ok(entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().contains(".pcap")))
}

/// Every directory at or below `paths`, in order.
fn directories(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            bail!(
                "{}: is no directory; name one that holds recordings and their {FILE_NAME}",
                path.display()
            );
        }
        collect(path, MAX_DEPTH, &mut found)?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    found.push(directory.to_owned());
    let entries =
        fs::read_dir(directory).with_context(|| format!("{} cannot be read", directory.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if depth > 0 && path.is_dir() {
            collect(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
