//! What a peer of one era is told of what a peer of the other can do. All texts are raw `capabilities` objects.
//!
//! Only what the bridge cannot deliver is taken out; what nobody here knows passes.

use std::borrow::Cow;

use super::edits::Edits;
use super::object::{Fate, Member, Object};

/// The extension by which revisions without a handshake have tasks; the others have a capability for them.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Of a client without a handshake, for a child with one. Such a client never says that its roots have changed.
pub fn to_legacy_child(client: &str) -> Cow<'_, str> {
    weeded(client, |member, edits| {
        if let ("roots", Some(roots)) = (&*member.name(), member.object()) {
            roots.weed(edits, |member, _| Fate::goes_if(member.is("listChanged")));
        }
        Fate::goes_if(member.is("tasks"))
    })
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

/// Of a child without a handshake, for a client with one.
pub fn server_to_legacy_client(server: &str) -> Cow<'_, str> {
    weeded(server, |member, edits| match (&*member.name(), member.object()) {
        ("tasks", _) => Fate::Goes,
        ("extensions", Some(extensions)) => without_tasks(extensions, edits),
        _ => Fate::Stays,
    })
}

/// Of a child with a handshake, for a client without one.
pub fn server_to_modern_client(server: &str) -> Cow<'_, str> {
    weeded(server, |member, _| Fate::goes_if(member.is("tasks")))
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
            to_legacy_child(legacy),
            r#"{"roots":{},"elicitation":{},"experimental":{"n":1e400},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}},"z":1}"#
        );
    }

    #[test]
    fn servers_are_told_of_without_tasks() {
        let server = r#"{"tools":{"listChanged":true},"t\u0061sks":{},"extensions":{"io.modelcontextprotocol\/tasks":{}},"logging":{}}"#;
        assert_eq!(
            server_to_legacy_client(server),
            r#"{"tools":{"listChanged":true},"extensions":{},"logging":{}}"#
        );
        assert_eq!(
            server_to_modern_client(server),
            r#"{"tools":{"listChanged":true},"extensions":{"io.modelcontextprotocol\/tasks":{}},"logging":{}}"#
        );
    }

    #[test]
    fn what_both_eras_know_is_not_copied() {
        let text = r#"{"roots":{},"sampling":{"tools":{}},"extensions":{"x/y":1}}"#;
        for map in
            [to_legacy_child, to_modern_child, server_to_legacy_client, server_to_modern_client]
        {
            assert!(matches!(map(text), Cow::Borrowed(same) if same == text));
            assert_eq!(map("7"), "7");
        }
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
