//! Reads a template's TOML and checks that it makes sense.
//!
//! A route is a list of steps, `"⑦ U-out A"`: the stage (`·` for a point on the way without a number), the
//! spot, and the node where the spot is on one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use crate::model::{Label, Stage, Way};
use crate::stages::error::{Fault, TemplateError};
use crate::stages::template::{Fact, Letter, Route, Spot, StageLabel, Step, Template};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    title: Words,
    request: BTreeMap<Spanned<String>, Spanned<Words>>,
    reply: BTreeMap<Spanned<String>, Spanned<Words>>,
    route: Vec<Spanned<RouteText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    en: String,
    zh: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteText {
    name: Spanned<String>,
    #[serde(default)]
    when: Vec<Spanned<String>>,
    request: Spanned<Vec<Spanned<String>>>,
    reply: Vec<Spanned<String>>,
}

/// Files larger than this are no templates.
const MAX_BYTES: u64 = 1 << 20;

/// The template files of `dir`, by name.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, TemplateError> {
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(dir, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(TemplateError {
            file: dir.display().to_string(),
            line: 0,
            what: "no template (*.toml) is here".to_owned(),
            hint: "name the directory that holds the path templates".to_owned(),
        });
    }
    paths.sort();
    Ok(paths)
}

/// Reads one file.
pub(super) fn file(path: &Path) -> Result<Template, TemplateError> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > MAX_BYTES {
        return Err(TemplateError {
            file: path.display().to_string(),
            line: 0,
            what: format!("{size} bytes are too many for a template"),
            hint: format!("keep it below {MAX_BYTES} bytes"),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    template(&text, &path.display().to_string())
}

fn unreadable(path: &Path, error: &std::io::Error) -> TemplateError {
    TemplateError {
        file: path.display().to_string(),
        line: 0,
        what: format!("cannot be read: {error}"),
        hint: "check that it exists and may be read".to_owned(),
    }
}

/// Reads a template from `text`; `name` is what an error calls it.
pub(super) fn template(text: &str, name: &str) -> Result<Template, TemplateError> {
    let parsed: Result<File, Fault> = toml::from_str(text).map_err(|error: toml::de::Error| {
        let span = error.span().unwrap_or_default();
        Fault::new(span, error.message().replace('\n', " "), "compare with a template from `assets/paths`")
    });
    parsed.and_then(|file| compile(&file)).map_err(|fault| fault.of_file(name, text))
}

fn compile(file: &File) -> Result<Template, Fault> {
    let mut stages = labels(&file.request, Way::Request)?;
    stages.extend(labels(&file.reply, Way::Reply)?);
    let mut routes: Vec<Route> = Vec::new();
    for (at, text) in file.route.iter().enumerate() {
        let route = compile_route(text.get_ref(), &stages)?;
        let span = text.get_ref().name.span();
        if routes.iter().any(|earlier| earlier.name == route.name && earlier.when == route.when) {
            return Err(Fault::new(span, format!("two routes are named `{}`", route.name), "rename one"));
        }
        let is_last = at + 1 == file.route.len();
        if route.when.is_empty() != is_last {
            return Err(misplaced_condition(span, &route.name, is_last));
        }
        routes.push(route);
    }
    if routes.is_empty() {
        return Err(Fault::new(file.name.span(), "no route", "add a [[route]] with request and reply"));
    }
    for label in &stages {
        let visits = |step: &Step| step.stage.as_ref().is_some_and(|stage| stage.stage == label.stage);
        let is_visited = |route: &Route| {
            route.request.iter().chain(&route.reply).any(|step| visits(step) && step.spot != Spot::Skipped)
        };
        if !routes.iter().any(is_visited) {
            let what = format!("stage {} has a label, and no route visits it", label.stage);
            return Err(Fault::new(file.name.span(), what, "add it to a route or take its label out"));
        }
    }
    let title = Label { en: file.title.en.clone(), zh: file.title.zh.clone() };
    Ok(Template { name: Arc::from(file.name.get_ref().as_str()), title, stages, routes })
}

fn misplaced_condition(span: Range<usize>, name: &str, is_last: bool) -> Fault {
    if is_last {
        let what = format!("route `{name}` is the last and has a condition");
        Fault::new(span, what, "end with a route without `when`, so that every journey finds one")
    } else {
        let what = format!("route `{name}` has no condition and hides the routes after it");
        Fault::new(span, what, "give it a `when`, or move it to the end")
    }
}

fn labels(table: &BTreeMap<Spanned<String>, Spanned<Words>>, way: Way) -> Result<Vec<StageLabel>, Fault> {
    let mut labels = Vec::with_capacity(table.len());
    for (key, words) in table {
        let stage = stage_of(key.get_ref(), way).ok_or_else(|| {
            Fault::new(key.span(), format!("`{}` is no stage", key.get_ref()), stage_hint(way))
        })?;
        for text in [&words.get_ref().en, &words.get_ref().zh] {
            check_label(text, words.span(), stage)?;
        }
        let label = Label { en: words.get_ref().en.clone(), zh: words.get_ref().zh.clone() };
        labels.push(StageLabel { stage, label: Arc::new(label) });
    }
    labels.sort_by_key(|label| label.stage.number);
    Ok(labels)
}

const PLACEHOLDERS: [&str; 5] = ["client", "target", "server", "name", "proxy"];

fn check_label(text: &str, span: Range<usize>, stage: Stage) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new(span, format!("stage {stage} has an empty label"), "give it a few words"));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new(span, format!("the label of {stage} has a control character"), "take it out"));
    }
    for part in text.split('{').skip(1) {
        let known = part.split_once('}').is_some_and(|(name, _)| PLACEHOLDERS.contains(&name));
        if !known {
            let what = format!("the label of {stage} has a placeholder that is not known: `{{{part}`");
            return Err(Fault::new(span, what, "use {client}, {target}, {server}, {name} or {proxy}"));
        }
    }
    Ok(())
}

fn compile_route(text: &RouteText, stages: &[StageLabel]) -> Result<Route, Fault> {
    let when = text.when.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    if text.request.get_ref().is_empty() {
        let what = format!("route `{}` has no request", text.name.get_ref());
        return Err(Fault::new(text.request.span(), what, "list its steps in the order they are walked"));
    }
    let request = steps(text.request.get_ref(), Way::Request, stages)?;
    let reply = steps(&text.reply, Way::Reply, stages)?;
    let proxies = |steps: &[Step]| steps.iter().filter(|step| step.spot == Spot::Proxy).count();
    let (there, back) = (proxies(&request), proxies(&reply));
    // The last proxy of the request may be the one that answers.
    if back > there || there > back + 1 {
        let what = format!("the request meets {there} proxies, and the reply goes back through {back}");
        return Err(Fault::new(
            text.request.span(),
            what,
            "let the reply pass all of them, or all but the last",
        ));
    }
    let name = Arc::from(text.name.get_ref().as_str());
    Ok(Route { name, when, request, reply, legs: back as u8 + 1 })
}

fn condition(text: &Spanned<String>) -> Result<(Fact, bool), Fault> {
    let whole = text.get_ref().trim();
    let (name, wanted) = whole.strip_prefix("not ").map_or((whole, true), |rest| (rest.trim(), false));
    let fact = Fact::ALL.iter().find(|(known, _)| *known == name).map(|&(_, fact)| (fact, wanted));
    fact.ok_or_else(|| {
        Fault::new(
            text.span(),
            format!("`{name}` is no fact"),
            one_of(Fact::ALL.iter().map(|(name, _)| *name)),
        )
    })
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("use one of: {}", names.collect::<Vec<_>>().join(", "))
}

fn steps(texts: &[Spanned<String>], way: Way, stages: &[StageLabel]) -> Result<Vec<Step>, Fault> {
    let mut steps: Vec<Step> = Vec::with_capacity(texts.len());
    let mut proxies = 0;
    let is_proxy = |text: &Spanned<String>| text.get_ref().split_whitespace().nth(1) == Some("proxy");
    let all = texts.iter().filter(|text| is_proxy(text)).count() as u8;
    for text in texts {
        let mut step = step(text.get_ref(), way, stages)
            .map_err(|(what, hint)| Fault::new(text.span(), format!("`{}`: {what}", text.get_ref()), hint))?;
        step.leg = if way == Way::Request { proxies } else { all - proxies };
        proxies += u8::from(step.spot == Spot::Proxy);
        if let Some(what) = repeated(&step, &steps) {
            let what = format!("`{}`: {what}", text.get_ref());
            return Err(Fault::new(text.span(), what, "name another node, or take one of the two out"));
        }
        steps.push(step);
    }
    add_skipped(&mut steps, way, stages);
    Ok(steps)
}

/// Why `step` cannot follow `earlier`: a visit is told from another of its stage by its node only.
fn repeated(step: &Step, earlier: &[Step]) -> Option<&'static str> {
    let same_stage = |other: &&Step| match (&step.stage, &other.stage) {
        (Some(a), Some(b)) => a.stage == b.stage,
        _ => false,
    };
    if earlier.iter().filter(same_stage).any(|other| other.node == step.node) {
        return Some("the stage was visited on this node before");
    }
    let same_point = |other: &Step| {
        matches!(step.spot, Spot::Point(..))
            && (other.spot, other.node, other.leg) == (step.spot, step.node, step.leg)
    };
    earlier.iter().any(same_point).then_some("the packet passed this capture point before")
}

type Complaint = (String, String);

fn step(text: &str, way: Way, stages: &[StageLabel]) -> Result<Step, Complaint> {
    let mut words = text.split_whitespace();
    let (Some(stage), Some(spot)) = (words.next(), words.next()) else {
        return Err(("a step has a stage and a place".to_owned(), "write it like \"⑦ U-out A\"".to_owned()));
    };
    let stage = match stage {
        "·" => None,
        _ => Some(labelled(stage, way, stages)?),
    };
    let spot =
        Spot::ALL.iter().find(|(name, _)| *name == spot).map(|&(_, spot)| spot).ok_or_else(|| {
            (format!("`{spot}` is no place"), one_of(Spot::ALL.iter().map(|(name, _)| *name)))
        })?;
    let node = node(words.next(), spot)?;
    match words.next() {
        Some(more) => Err((format!("`{more}` is too much"), "write it like \"⑦ U-out A\"".to_owned())),
        None => Ok(Step { stage, spot, node, leg: 0 }),
    }
}

fn labelled(text: &str, way: Way, stages: &[StageLabel]) -> Result<StageLabel, Complaint> {
    let stage =
        stage_of(text, way).ok_or_else(|| (format!("`{text}` is no stage"), stage_hint(way).to_owned()))?;
    let table = if way == Way::Request { "[request]" } else { "[reply]" };
    stages.iter().find(|label| label.stage == stage).cloned().ok_or_else(|| {
        (format!("stage {stage} has no label"), format!("add \"{stage}\" = {{ en = …, zh = … }} to {table}"))
    })
}

fn node(text: Option<&str>, spot: Spot) -> Result<Option<Letter>, Complaint> {
    let letters = || one_of(Letter::ALL.iter().map(|(name, _)| *name));
    match (text, spot.has_node()) {
        (None, false) => Ok(None),
        (None, true) => Err(("the node is not named".to_owned(), letters())),
        (Some(_), false) => Err(("this place is on no node".to_owned(), "take the node out".to_owned())),
        (Some(text), true) => {
            let letter = Letter::ALL.iter().find(|(name, _)| *name == text).map(|&(_, letter)| letter);
            letter.map(Some).ok_or_else(|| (format!("`{text}` is no node"), letters()))
        }
    }
}

/// Adds the stages that the route does not pass, each behind the last visit of the stage before it.
fn add_skipped(steps: &mut Vec<Step>, way: Way, stages: &[StageLabel]) {
    let mut at = 0;
    for label in stages.iter().filter(|label| label.stage.way == way) {
        let is_it = |step: &Step| step.stage.as_ref().is_some_and(|stage| stage.stage == label.stage);
        if let Some(last) = steps.iter().rposition(is_it) {
            at = last + 1;
            continue;
        }
        let leg = steps.get(at.saturating_sub(1)).map_or(0, |step| step.leg);
        steps.insert(at, Step { stage: Some(label.clone()), spot: Spot::Skipped, node: None, leg });
        at += 1;
    }
}

const fn stage_hint(way: Way) -> &'static str {
    match way {
        Way::Request => "request stages are ① to ⑳",
        Way::Reply => "reply stages are (1) to (20)",
    }
}

fn stage_of(text: &str, way: Way) -> Option<Stage> {
    let numbers = 1..=20;
    numbers.map(|number| Stage { way, number }).find(|stage| stage.to_string() == text)
}
