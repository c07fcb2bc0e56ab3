//! `hopline paths`: the templates and their stages, or one of them drawn with its routes.

use std::fmt::Write as _;

use anyhow::bail;
use unicode_width::UnicodeWidthStr;

use crate::app::templates;
use crate::config::Look;
use crate::model::{Label, Way};
use crate::stages::{Fact, Route, Spot, Step, Template};
use crate::timeline::{Language, Manner};

/// What the command prints.
///
/// # Errors
/// When the templates cannot be used or `name` is none of them.
pub(super) fn text(name: Option<&str>, look: &Look) -> anyhow::Result<String> {
    let templates = templates(look.templates.as_deref())?;
    let manner = look.manner;
    let Some(name) = name else {
        let lists: Vec<String> = templates.iter().map(|template| list(template, manner)).collect();
        return Ok(lists.join("\n"));
    };
    let Some(template) = templates.get(name) else {
        let known: Vec<&str> = templates.iter().map(|template| &*template.name).collect();
        bail!("{name}: no such path; there are {}", known.join(", "));
    };
    Ok(list(template, manner) + &routes(template, manner))
}

/// The path's title and a line for each stage.
fn list(template: &Template, manner: Manner) -> String {
    let mut out = format!("{} · {}\n", template.name, said(&template.title, manner));
    for way in [Way::Request, Way::Reply] {
        for stage in template.stages_of(way) {
            let number = manner.stage(stage.stage);
            let space = " ".repeat(5_usize.saturating_sub(number.width()));
            let _ = writeln!(out, "{space}{number}  {}", said(&stage.label, manner));
        }
    }
    manner.text(&out).into_owned()
}

/// A line for each way of each route: its numbered steps with the node's letter.
fn routes(template: &Template, manner: Manner) -> String {
    let mut out = String::new();
    for Route { name, request, reply, when, .. } in &template.routes {
        let _ = writeln!(out, "\n{name}{}", conditions(when));
        let arrows = if manner.is_ascii() { ["->", "<-"] } else { ["→", "←"] };
        for (arrow, steps) in arrows.into_iter().zip([request, reply]) {
            let steps: Vec<String> = steps.iter().filter_map(|step| drawn(step, manner)).collect();
            if !steps.is_empty() {
                let _ = writeln!(out, "  {arrow} {}", steps.join(" "));
            }
        }
    }
    manner.text(&out).into_owned()
}

/// `  (handed-on, not one-proxy)`: what a route asks for, as routes may share a name.
fn conditions(when: &[(Fact, bool)]) -> String {
    let name = |fact: Fact| Fact::ALL.iter().find(|(_, known)| *known == fact).map_or("", |(name, _)| *name);
    let said: Vec<String> = when
        .iter()
        .map(|&(fact, wanted)| format!("{}{}", if wanted { "" } else { "not " }, name(fact)))
        .collect();
    if said.is_empty() { String::new() } else { format!("  ({})", said.join(", ")) }
}

/// A numbered step, such as `⑤A`; a point on the way and a stage that is passed over are not drawn.
fn drawn(step: &Step, manner: Manner) -> Option<String> {
    let stage = step.stage.as_ref().filter(|_| step.spot != Spot::Skipped)?;
    Some(manner.stage(stage.stage) + &step.node.map_or_else(String::new, |letter| format!("{letter:?}")))
}

fn said(label: &Label, manner: Manner) -> &str {
    match manner.language() {
        Language::En => &label.en,
        Language::Zh => &label.zh,
    }
}
