//! What is said of a task, in the words of the extension: its name, how it stands, and what it asks.

use std::time::Duration;

use super::edits::Edits;
use super::object::{Fate, Member, Object};
use crate::bridge::ask;
use crate::bridge::lane::AskSet;
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::splice::Span;

/// A task as its server tells of it. Texts are raw.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskView<'t> {
    /// What the server calls it, with quotes.
    pub name: Option<&'t str>,
    name_at: Option<Span>,
    pub is_over: bool,
    /// How long it is kept since it was created.
    pub ttl: Option<Duration>,
    asks: Option<Object<'t>>,
}

/// What became of the questions of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// There is something left, or there was nothing.
    Fine,
    /// Its client can be asked none of them; it would have had to declare this.
    Lacking(&'static str),
}

// === impl TaskView ===

impl<'t> TaskView<'t> {
    /// Reads a result or the `params` of a notification, which begin at `base` in their message.
    pub fn read(object: &'t str, base: u32) -> Self {
        let mut view = Self::default();
        let Some(object) = Object::at(object, base) else { return view };
        for member in object.members() {
            match &*member.name() {
                "taskId" if member.value.starts_with('"') => {
                    (view.name, view.name_at) = (Some(member.value), Some(member.value_at()));
                }
                "status" => {
                    let status = raw::string(member.value);
                    let ends = ["completed", "failed", "cancelled"];
                    view.is_over = status.is_some_and(|status| ends.contains(&&*status));
                }
                "ttlMs" => view.ttl = member.value.parse().ok().map(Duration::from_millis),
                "inputRequests" => view.asks = member.object(),
                _ => {}
            }
        }
        view
    }

    /// Gives it another name, which is a raw string.
    pub fn rename(&self, name: String, edits: &mut Edits<'_>) {
        if let Some(at) = self.name_at {
            edits.push(at, name.into_bytes());
        }
    }

    /// Takes out what its client cannot be asked.
    pub fn ask_only(&self, declared: AskSet, edits: &mut Edits<'_>) -> Questions {
        let Some(asks) = self.asks else { return Questions::Fine };
        let mut lacking = None;
        let left = asks.weed(edits, |member, _| {
            let kind = ask::kind(method(member));
            if kind.is_some_and(|kind| declared.contains(kind)) {
                return Fate::Stays;
            }
            lacking = lacking.or_else(|| kind.map(ask::required));
            Fate::Goes
        });
        match lacking {
            Some(lacking) if left == 0 => Questions::Lacking(lacking),
            Some(_) | None => Questions::Fine,
        }
    }
}

fn method(entry: &Member<'_>) -> Method {
    let name = entry.object().and_then(|entry| entry.get("method"));
    name.map_or(Method::Other, |name| Method::read(name.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, declared: &str) -> (String, Questions) {
        let mut edits = Edits::new();
        let view = TaskView::read(text, 0);
        let questions = view.ask_only(AskSet::declared(declared), &mut edits);
        view.rename("\"new\"".to_owned(), &mut edits);
        (edits.over(text).into_owned(), questions)
    }

    #[test]
    fn what_is_told_of_a_task_is_read_and_its_name_exchanged() {
        let text =
            r#"{"status":"failed","t\u0061skId":"o\"ld","ttlMs":1500,"error":{"taskId":"x"}}"#;
        let view = TaskView::read(text, 0);
        assert_eq!(view.name, Some(r#""o\"ld""#));
        assert_eq!((view.is_over, view.ttl), (true, Some(Duration::from_millis(1500))));
        assert_eq!(
            asked(text, "{}").0,
            r#"{"status":"failed","t\u0061skId":"new","ttlMs":1500,"error":{"taskId":"x"}}"#
        );
        let other = TaskView::read(r#"{"status":"working","ttlMs":null,"taskId":7}"#, 0);
        assert_eq!((other.name, other.is_over, other.ttl), (None, false, None));
    }

    #[test]
    fn a_client_is_asked_what_it_declared_and_nothing_else() {
        let text = r#"{"inputRequests":{"a":{"method":"elicitation/create"},"b":{"method":"roots/list"},"c":{"method":"x"}}}"#;
        for (declared, left, questions) in [
            (
                r#"{"elicitation":{},"roots":{}}"#,
                r#"{"inputRequests":{"a":{"method":"elicitation/create"},"b":{"method":"roots/list"}}}"#,
                Questions::Fine,
            ),
            (
                r#"{"roots":{}}"#,
                r#"{"inputRequests":{"b":{"method":"roots/list"}}}"#,
                Questions::Fine,
            ),
            ("{}", r#"{"inputRequests":{}}"#, Questions::Lacking(r#"{"elicitation":{}}"#)),
        ] {
            assert_eq!(asked(text, declared), (left.to_owned(), questions), "{declared}");
        }
        assert_eq!(asked("{}", "{}"), ("{}".to_owned(), Questions::Fine));
    }
}
