//! Problems as people see them: the line, a caret under the key, and what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::key::KeyPath;
use super::place::Place;
use super::problem::{Problem, Severity};

/// Where the picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Colour,
}

/// All problems, one picture each.
pub fn picture(problems: &[Problem], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let pictures: Vec<String> = problems.iter().map(|problem| one(problem, &renderer)).collect();
    pictures.join("\n\n")
}

fn one(problem: &Problem, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(title(problem)).elements(source(problem));
    let hints = problem.hints.iter().map(|hint| Level::HELP.message(hint.as_str()));
    renderer.render(&[Group::elements(group, hints)])
}

/// A problem on one line, for logs.
pub fn line(problem: &Problem) -> String {
    let nowhere = problem.place == Place::Default;
    let place = if nowhere { String::new() } else { format!("{}: ", problem.place) };
    let parts: Vec<&str> = problem.hints.iter().map(String::as_str).collect();
    let hints = if parts.is_empty() { String::new() } else { format!("; {}", parts.join("; ")) };
    format!("{place}{}{hints}", title(problem))
}

/// The message with its key.
pub fn title(problem: &Problem) -> String {
    if problem.key == KeyPath::root() {
        problem.message.clone()
    } else if problem.message == "unknown key" {
        format!("unknown key `{}`", problem.key)
    } else {
        format!("`{}`: {}", problem.key, problem.message)
    }
}

fn source(problem: &Problem) -> Option<Element<'static>> {
    match &problem.place {
        Place::Default => None,
        Place::Variable(_) | Place::Flag(_) => Some(Origin::path(problem.place.to_string()).into()),
        Place::File { document, span } => {
            let text = document.shown_text(span.start);
            if text.is_empty() {
                return None;
            }
            let path = document.path().display().to_string();
            let span = document.clamp(span);
            let snippet =
                Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(span));
            Some(snippet.into())
        }
    }
}
