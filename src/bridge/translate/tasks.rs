//! What is said of a task, in the words of the extension: its name, how it stands, and what it asks.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use super::edits::Edits;
use super::modern_to_legacy::Stamp;
use super::object::{Fate, Member, Object};
use super::rounds::Entry;
use crate::bridge::ask;
use crate::bridge::lane::AskSet;
use crate::wire::meta::{Members, key};
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::splice::Span;

/// A task as its server tells of it. Texts are raw.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskView<'t> {
    /// What the server calls it, with quotes.
    pub name: Option<&'t str>,
    name_at: Option<Span>,
    pub status: Status,
    /// How long it is kept since it was created.
    pub ttl: Option<Duration>,
    /// How often its server wants to be asked.
    pub poll: Option<Duration>,
    /// What its server says of it to people.
    pub message: Option<&'t str>,
    pub result: Option<&'t str>,
    pub error: Option<&'t str>,
    asks: Option<Object<'t>>,
}

/// How a task stands. What nobody knows is taken for work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

/// What became of the questions of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// There is something left, or there was nothing.
    Fine,
    /// Its client can be asked none of them; it would have had to declare this.
    Lacking(&'static str),
}

/// What a child with a handshake says of a task, in the words of the extension: members without braces. `named` is the raw name it
/// is to have, and `status` how it is to stand if that is not what the child said.
pub fn flattened(task: &str, named: &str, status: Option<&str>) -> String {
    let mut text = format!("\"taskId\":{named}");
    for (name, value) in &Members::of(task).0 {
        let (name, value) = match (&**name, status) {
            // Neither belongs into a result of the extension.
            ("taskId" | "resultType" | "_meta", _) => continue,
            ("status", Some(status)) => ("status", status),
            ("ttl", _) => ("ttlMs", value.get()),
            ("pollInterval", _) => ("pollIntervalMs", value.get()),
            (name, _) => (name, value.get()),
        };
        write!(text, ",{}:{value}", raw::quoted(name)).expect("strings take any text");
    }
    text
}

/// What came of a task, without the mark by which a child with a handshake says whose it is.
pub fn inlined(result: &str) -> Cow<'_, str> {
    let mut edits = Edits::new();
    if let Some(meta) = Object::of(result).and_then(|it| it.get("_meta")?.object()) {
        meta.weed(&mut edits, |member, _| Fate::goes_if(member.is(key::RELATED_TASK)));
    }
    edits.over(result)
}

/// A result with these members, as the child's own results look to a client without a handshake.
pub fn result(kind: &str, members: &str, stamp: &Stamp) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{\"resultType\":\"{kind}\"{comma}{members}{}}}", stamp.meta_at_end())
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
                "status" => view.status = Status::read(member.value),
                "ttlMs" | "ttl" => view.ttl = millis(member.value),
                "pollIntervalMs" | "pollInterval" => view.poll = millis(member.value),
                "statusMessage" if member.value.starts_with('"') => {
                    view.message = Some(member.value);
                }
                "result" => view.result = Some(member.value),
                "error" => view.error = Some(member.value),
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

    /// What it asks; an entry that is none of the three questions is left out.
    pub fn questions(&self) -> Vec<Entry<'t>> {
        let Some(asks) = self.asks else { return Vec::new() };
        let entry = |member: Member<'t>| {
            let method = method(&member);
            let params = member.object().and_then(|entry| entry.get("params"));
            let params = params.filter(|params| params.object().is_some());
            ask::kind(method).map(|_| Entry {
                key: member.key,
                method,
                params: params.map(|params| params.value),
            })
        };
        asks.members().filter_map(entry).collect()
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

// === impl Status ===

impl Status {
    fn read(value: &str) -> Self {
        match raw::string(value).as_deref() {
            Some("input_required") => Self::InputRequired,
            Some("completed") => Self::Completed,
            Some("failed") => Self::Failed,
            Some("cancelled") => Self::Cancelled,
            Some(_) | None => Self::Working,
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

fn millis(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_millis)
}

fn method(entry: &Member<'_>) -> Method {
    let name = entry.object().and_then(|entry| entry.get("method"));
    name.map_or(Method::Other, |name| Method::read(name.value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::modern_to_legacy::Hints;
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
        assert_eq!((view.status, view.ttl), (Status::Failed, Some(Duration::from_millis(1500))));
        assert_eq!((view.error, view.message), (Some(r#"{"taskId":"x"}"#), None));
        assert_eq!(
            asked(text, "{}").0,
            r#"{"status":"failed","t\u0061skId":"new","ttlMs":1500,"error":{"taskId":"x"}}"#
        );
        let other = TaskView::read(r#"{"status":"working","ttlMs":null,"taskId":7}"#, 0);
        assert_eq!((other.name, other.status, other.ttl), (None, Status::Working, None));
    }

    #[test]
    fn an_older_task_is_told_in_newer_words() {
        let text =
            r#"{"taskId":"t","status":"failed","ttl":null,"pollInterval":5,"x":1e400,"_meta":{}}"#;
        assert_eq!(
            flattened(text, "\"n\"", None),
            r#""taskId":"n","status":"failed","ttlMs":null,"pollIntervalMs":5,"x":1e400"#
        );
        assert!(
            flattened(text, "\"n\"", Some("\"completed\"")).contains(r#""status":"completed""#)
        );
        assert_eq!(
            inlined(r#"{"_meta":{"io.modelcontextprotocol/related-task":{},"a":1},"content":[]}"#),
            r#"{"_meta":{"a":1},"content":[]}"#
        );
        let stamp = Stamp::new(Some(r#"{"name":"s"}"#), Hints::default());
        assert_eq!(
            result("complete", "", &stamp),
            r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}"#
        );
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
