//! What a peer of one era is told of what a peer of the other can do. All texts are raw `capabilities` objects.
//!
//! Only what the bridge cannot deliver is taken out; what nobody here knows passes.

use std::borrow::Cow;

use super::edits::Edits;
use super::object::{Fate, Member, Object};
use crate::wire::canon::canonical;
use crate::wire::meta::Members;
use crate::wire::raw::Raw;

/// The extension by which revisions without a handshake have tasks; the others have a capability for them.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Longer `extensions` or `experimental` are no part of a profile.
const FOREIGN_MAX: usize = 512;

/// Of clients without a handshake, for a child with one: the one text for all that can be asked the same. Of the questions it has
/// what the protocol knows. Such a client never says that its roots have changed, and no `elicitation` but `{}` means forms
/// alone to every revision. `extensions` and `experimental` are between client and child, and stay in their canonical form while
/// they are short; tasks are the bridge's own to drive. Nothing else tells clients apart.
pub fn profile(client: &str) -> String {
    let whole = Members::of(client);
    let said = |name| whole.get(name).map(Raw::get).filter(|value| *value != "null");
    let questions = |name, parts: &[&str]| {
        let value = Members::of(said(name)?);
        let is_said = |part: &&&str| value.get(part).is_some_and(|part| part.get() != "null");
        let parts: Vec<_> =
            parts.iter().filter(is_said).map(|part| format!("\"{part}\":{{}}")).collect();
        Some(format!("{{{}}}", parts.join(",")))
    };
    let foreign = |name| {
        let text = canonical(said(name).filter(|value| value.starts_with('{'))?, &[TASKS]);
        (text != "{}" && text.len() <= FOREIGN_MAX).then_some(text)
    };
    let elicitation = questions("elicitation", &["form", "url"]);
    let members: Vec<String> = [
        ("elicitation", elicitation.map(|modes| modes.replace(r#"{"form":{}}"#, "{}"))),
        ("experimental", foreign("experimental")),
        ("extensions", foreign("extensions")),
        ("roots", questions("roots", &[])),
        ("sampling", questions("sampling", &["context", "tools"])),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)))
    .collect();
    format!("{{{}}}", members.join(","))
}

/// Of a client with a handshake, for a child without one. An `elicitation` of `{}` means forms in both.
pub fn to_modern_child(client: &str) -> Cow<'_, str> {
    weeded(client, |member, edits| match (&*member.name(), member.object()) {
        ("tasks", _) => Fate::Goes,
        ("roots", Some(roots)) if !roots.is_empty() => {
            edits.push(member.value_at(), b"{}".as_slice());
            Fate::Stays
        }
        ("extensions", Some(extensions)) => without_tasks(extensions, edits),
        _ => Fate::Stays,
    })
}

/// Whether a client without a handshake can show its user a page.
pub fn visits_urls(client: &str) -> bool {
    Object::of(client)
        .and_then(|client| client.get("elicitation")?.object()?.get("url"))
        .is_some_and(|url| url.value != "null")
}

/// Whether a peer without a handshake knows tasks.
pub fn knows_tasks(peer: &str) -> bool {
    Object::of(peer)
        .and_then(|peer| peer.get("extensions")?.object()?.get(TASKS))
        .is_some_and(|tasks| tasks.object().is_some())
}

/// The same of a peer that knows tasks besides.
pub fn with_tasks(peer: &str) -> Cow<'_, str> {
    let mut edits = Edits::new();
    let tasks = format!("\"{TASKS}\":{{}}");
    if let Some(whole) = Object::of(peer)
        && !knows_tasks(peer)
    {
        let (into, text) = match whole.get("extensions").and_then(|member| member.object()) {
            Some(extensions) => (extensions, tasks),
            None => (whole, format!("\"extensions\":{{{tasks}}}")),
        };
        let comma = if into.is_empty() { "" } else { "," };
        edits.push(into.front(), format!("{text}{comma}").into_bytes());
    }
    edits.over(peer)
}

fn without_tasks(extensions: Object<'_>, edits: &mut Edits<'_>) -> Fate {
    extensions.weed(edits, |member, _| Fate::goes_if(member.is(TASKS)));
    Fate::Stays
}

fn weeded<'t>(
    text: &'t str,
    judge: impl FnMut(&Member<'t>, &mut Edits<'t>) -> Fate,
) -> Cow<'t, str> {
    let mut edits = Edits::new();
    if let Some(whole) = Object::of(text) {
        whole.weed(&mut edits, judge);
    }
    edits.over(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_of_as_the_other_era_knows_them() {
        let legacy = r#"{"roots":{"listChanged":true},"elicitation":{},"tasks":{"list":{}},"experimental":{"n":1e400},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}},"z":1}"#;
        assert_eq!(
            to_modern_child(legacy),
            r#"{"roots":{},"elicitation":{},"experimental":{"n":1e400},"extensions":{"x/y":{}},"z":1}"#
        );
        assert_eq!(
            profile(legacy),
            r#"{"elicitation":{},"experimental":{"n":1e400},"extensions":{"x/y":{}},"roots":{}}"#
        );
    }

    #[test]
    fn clients_that_can_be_asked_the_same_have_one_profile() {
        for (client, told) in [
            ("{}", "{}"),
            ("7", "{}"),
            (r#"{"sampling":null,"x":1,"tasks":{}}"#, "{}"),
            (r#"{ "x": 7, "elicit\u0061tion": {"form": {}, "n": 1} }"#, r#"{"elicitation":{}}"#),
            (r#"{"elicitation":{"url":{},"form":null}}"#, r#"{"elicitation":{"url":{}}}"#),
            (
                r#"{"elicitation":{"url":{"a":1},"form":{}}}"#,
                r#"{"elicitation":{"form":{},"url":{}}}"#,
            ),
            (
                r#"{"sampling":{"tools":{"x":1},"context":{}},"roots":{"listChanged":true}}"#,
                r#"{"roots":{},"sampling":{"context":{},"tools":{}}}"#,
            ),
            (r#"{"extensions":{"io.modelcontextprotocol\/tasks":{}},"experimental":7}"#, "{}"),
            (r#"{"extensions":{"b":{ },"a":[1, 2]}}"#, r#"{"extensions":{"a":[1,2],"b":{}}}"#),
        ] {
            assert_eq!(profile(client), told);
            assert_eq!(profile(told), told);
        }
        let long =
            format!(r#"{{"roots":{{}},"experimental":{{"x":"{}"}}}}"#, "y".repeat(FOREIGN_MAX));
        assert_eq!(profile(&long), r#"{"roots":{}}"#);
    }

    #[test]
    fn what_both_eras_know_is_not_copied() {
        let text = r#"{"roots":{},"sampling":{"tools":{}},"extensions":{"x/y":1}}"#;
        assert!(matches!(to_modern_child(text), Cow::Borrowed(same) if same == text));
        assert_eq!(to_modern_child("7"), "7");
    }

    #[test]
    fn tasks_are_added_where_they_are_not() {
        for (peer, with) in [
            ("{}", r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#),
            (
                r#"{"roots":{}}"#,
                r#"{"extensions":{"io.modelcontextprotocol/tasks":{}},"roots":{}}"#,
            ),
            (
                r#"{"extensions":{"x/y":1}}"#,
                r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":1}}"#,
            ),
        ] {
            assert_eq!(with_tasks(peer), with);
            assert_eq!(with_tasks(with), with);
            assert!(knows_tasks(with) && !knows_tasks(peer));
        }
    }

    #[test]
    fn pages_need_their_own_word() {
        assert!(visits_urls(r#"{"elicitation":{"form":{},"url":{}}}"#));
        for text in ["{}", r#"{"elicitation":{}}"#, r#"{"elicitation":{"url":null}}"#] {
            assert!(!visits_urls(text));
        }
    }
}
