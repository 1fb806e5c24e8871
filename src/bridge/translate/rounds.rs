//! Questions of the server in their two forms: requests of their own, and results that ask and are answered by the
//! next request (`input_required`).

use std::borrow::Cow;
use std::fmt::Write as _;

use super::edits::Edits;
use super::modern_to_legacy::Stamp;
use super::object::{Fate, Member, Object};
use crate::wire::meta::key;
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::splice::Span;

/// A question to be put into a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Plain letters that need no escape; whoever asks has made it up.
    pub key: Box<str>,
    pub method: Method,
    /// The raw object.
    pub params: Option<Box<str>>,
}

/// A result that asks, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequired<'t> {
    /// In the order they were written.
    pub entries: Vec<Entry<'t>>,
    /// The raw string; it goes back byte for byte.
    pub state: Option<&'t str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The raw string; it goes back byte for byte.
    pub key: &'t str,
    /// One of the three that may be asked.
    pub method: Method,
    pub params: Option<&'t str>,
}

/// A result that asks, ready but for its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub text: String,
    /// Where the state goes, between its quotes.
    pub state: Span,
}

/// Questions in one result. More are no honest server's wish.
const ENTRIES_MAX: usize = 64;

// === impl Entry ===

impl Entry<'_> {
    /// Whether it asks to visit a page.
    pub fn is_page(&self) -> bool {
        let mode = self.params.and_then(Object::of).and_then(|params| params.get("mode"));
        self.method == Method::Elicit
            && mode.and_then(|mode| raw::string(mode.value)).as_deref() == Some("url")
    }
}

/// Reads a result that asks; the error says what is wrong with it.
pub fn read(result: &str) -> Result<InputRequired<'_>, &'static str> {
    let whole = Object::of(result).ok_or("it is no object")?;
    let is_asking = |value| raw::string(value).as_deref() == Some("input_required");
    if !once(whole, "resultType")?.is_some_and(|kind| is_asking(kind.value)) {
        return Err("its resultType is not input_required");
    }
    let state = once(whole, "requestState")?.map(|state| state.value);
    if state.is_some_and(|state| !state.starts_with('"')) {
        return Err("its requestState is no string");
    }
    let mut entries: Vec<Entry<'_>> = Vec::new();
    if let Some(requests) = once(whole, "inputRequests")? {
        let requests = requests.object().ok_or("its inputRequests are no object")?;
        let mut names: Vec<Cow<'_, str>> = Vec::new();
        for member in requests.members() {
            if entries.len() == ENTRIES_MAX {
                return Err("it asks more than 64 questions");
            }
            if names.contains(&member.name()) {
                return Err("two of its inputRequests have one key");
            }
            names.push(member.name());
            entries.push(entry(&member)?);
        }
    }
    if entries.is_empty() && state.is_none() {
        return Err("it has neither inputRequests nor a requestState");
    }
    Ok(InputRequired { entries, state })
}

fn entry<'t>(member: &Member<'t>) -> Result<Entry<'t>, &'static str> {
    let entry = member.object().ok_or("one of its inputRequests is no object")?;
    let method =
        once(entry, "method")?.map_or(Method::Other, |name| Method::read(name.value.as_bytes()));
    if !matches!(method, Method::Sample | Method::Elicit | Method::RootsList) {
        return Err("it asks for something else than sampling, elicitation or roots");
    }
    let params = once(entry, "params")?;
    if params.is_some_and(|params| params.object().is_none()) {
        return Err("the params of one of its inputRequests are no object");
    }
    Ok(Entry { key: member.key, method, params: params.map(|params| params.value) })
}

/// A member that must not stand twice, or whoever reads it after us might take the other one. `null` is absence.
fn once<'t>(object: Object<'t>, name: &str) -> Result<Option<Member<'t>>, &'static str> {
    let mut found = object.members().filter(|member| member.is(name));
    let first = found.next();
    if found.next().is_some() {
        return Err("a member stands twice in it");
    }
    Ok(first.filter(|member| member.value != "null"))
}

/// The members of `params` that answer a round: raw keys with raw results, and the state as it came. For
/// [`Addition::round`](super::legacy_to_modern::Addition::round).
pub fn retry(responses: &[(&str, &str)], state: Option<&str>) -> String {
    let mut text = String::new();
    if !responses.is_empty() {
        text.push_str("\"inputResponses\":{");
        for (n, (key, result)) in responses.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            write!(text, "{comma}{key}:{result}").expect("strings take any text");
        }
        text.push_str("},");
    }
    if let Some(state) = state {
        write!(text, "\"requestState\":{state},").expect("strings take any text");
    }
    text
}

/// The result that asks these questions of a client.
pub fn ask(questions: &[Question], stamp: &Stamp) -> Asked {
    let mut text = String::from(r#"{"resultType":"input_required","inputRequests":{"#);
    for (n, question) in questions.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let (key, method) = (&question.key, question.method.name());
        write!(text, "{comma}\"{key}\":{{\"method\":\"{method}\"").expect("strings take any text");
        if let Some(params) = &question.params {
            write!(text, ",\"params\":{params}").expect("strings take any text");
        }
        text.push('}');
    }
    text.push_str("},\"requestState\":\"");
    let state = u32::try_from(text.len()).expect("texts are shorter than 4 GiB");
    text.push('"');
    text.push_str(&stamp.meta_at_end());
    text.push('}');
    Asked { text, state: Span { start: state, end: state } }
}

/// The params of a question of a child with a handshake, for a client without one: it knows no tasks of its own, cannot tell of
/// its progress, and has no ids for pages.
pub fn for_modern(params: &str) -> Cow<'_, str> {
    let Some(whole) = Object::of(params) else { return Cow::Borrowed(params) };
    let mut edits = Edits::new();
    whole.weed(&mut edits, |member, edits| match (&*member.name(), member.object()) {
        ("task" | "elicitationId", _) => Fate::Goes,
        ("_meta", Some(meta)) => {
            meta.weed(edits, |member, _| {
                Fate::goes_if(matches!(&*member.name(), "progressToken" | key::RELATED_TASK))
            });
            Fate::Stays
        }
        _ => Fate::Stays,
    });
    edits.over(params)
}

/// The params of a question of a child without a handshake, for a client with one: a page to visit gets an id.
pub fn for_legacy<'t>(params: &'t str, elicitation_id: &str) -> Cow<'t, str> {
    let Some(whole) = Object::of(params) else { return Cow::Borrowed(params) };
    let mode = whole.get("mode").and_then(|mode| raw::string(mode.value));
    if mode.as_deref() != Some("url") {
        return Cow::Borrowed(params);
    }
    let mut edits = Edits::new();
    whole.weed(&mut edits, |member, _| Fate::goes_if(member.is("elicitationId")));
    let id = format!("\"elicitationId\":{},", raw::quoted(elicitation_id));
    edits.push(whole.front(), id.into_bytes());
    edits.over(params)
}

#[cfg(test)]
mod tests {
    use super::super::modern_to_legacy::Hints;
    use super::*;

    #[test]
    fn what_is_asked_is_read_in_order_and_raw() {
        let text = r#"{"resultType":"input_required","x":1,"inputRequests":{"b\u0031":{"method":"sampling/createMessage","params":{"n":1e400}},"a":{"method":"roots/list"}},"requestState":"Q\u00311"}"#;
        let asked = read(text).unwrap();
        assert_eq!(asked.state, Some(r#""Q\u00311""#));
        let entries: Vec<_> = asked.entries.iter().map(|e| (e.key, e.method, e.params)).collect();
        assert_eq!(
            entries,
            [
                (r#""b\u0031""#, Method::Sample, Some(r#"{"n":1e400}"#)),
                ("\"a\"", Method::RootsList, None)
            ]
        );
        let again = retry(&[(entries[0].0, r#"{"role":"assistant"}"#)], asked.state);
        assert_eq!(
            again,
            r#""inputResponses":{"b\u0031":{"role":"assistant"}},"requestState":"Q\u00311","#
        );
        assert_eq!(retry(&[], None), "");
    }

    #[test]
    fn misshapen_questions_are_told_apart() {
        for (members, why) in [
            ("", "neither"),
            (r#","requestState":null"#, "neither"),
            (r#","inputRequests":{}"#, "neither"),
            (r#","requestState":7"#, "no string"),
            (r#","inputRequests":[]"#, "no object"),
            (r#","inputRequests":{"a":1}"#, "one of its"),
            (r#","inputRequests":{"a":{}}"#, "something else"),
            (r#","inputRequests":{"a":{"method":"tools/call"}}"#, "something else"),
            (r#","inputRequests":{"a":{"method":"roots/list","params":[]}}"#, "the params"),
            (
                r#","inputRequests":{"a":{"method":"roots/list"},"\u0061":{"method":"roots/list"}}"#,
                "one key",
            ),
            (r#","requestState":"a","requestS\u0074ate":"b""#, "twice"),
        ] {
            let text = format!(r#"{{"resultType":"input_required"{members}}}"#);
            let told = read(&text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
        assert!(read(r#"{"requestState":"a"}"#).is_err());
        assert!(read("[]").is_err());
        let many: Vec<_> = (0..65).map(|n| format!(r#""{n}":{{"method":"roots/list"}}"#)).collect();
        let many = many.join(",");
        let text = format!(r#"{{"resultType":"input_required","inputRequests":{{{many}}}}}"#);
        assert!(read(&text).unwrap_err().contains("more than 64"));
    }

    #[test]
    fn a_result_that_asks_leaves_a_hole_for_its_state() {
        let questions = [
            Question {
                key: "ask-1".into(),
                method: Method::Elicit,
                params: Some(r#"{"message":"?"}"#.into()),
            },
            Question { key: "ask-2".into(), method: Method::RootsList, params: None },
        ];
        let asked = ask(&questions, &Stamp::new(Some(r#"{"name":"s"}"#), Hints::default()));
        let (before, after) = asked.text.split_at(asked.state.start as usize);
        assert_eq!(
            format!("{before}STATE{after}"),
            r#"{"resultType":"input_required","inputRequests":{"ask-1":{"method":"elicitation/create","params":{"message":"?"}},"ask-2":{"method":"roots/list"}},"requestState":"STATE","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}"#
        );
        let filled = format!("{before}STATE{after}");
        let read = read(&filled).unwrap();
        assert_eq!((read.entries.len(), read.state), (2, Some("\"STATE\"")));
        let nameless = ask(&questions, &Stamp::new(None, Hints::default()));
        assert!(nameless.text.ends_with(r#""requestState":""}"#));
    }

    #[test]
    fn params_of_questions_change_with_the_era() {
        let legacy = r#"{"mode":"url","elicitationId":"e","url":"u","task":{},"_meta":{"progressToken":1,"x":2}}"#;
        let modern = r#"{"mode":"url","url":"u","_meta":{"x":2}}"#;
        assert_eq!(for_modern(legacy), modern);
        assert!(matches!(for_modern(modern), Cow::Borrowed(_)));
        assert_eq!(
            for_legacy(modern, "n\""),
            r#"{"elicitationId":"n\"","mode":"url","url":"u","_meta":{"x":2}}"#
        );
        assert_eq!(for_legacy(r#"{"message":"m"}"#, "n"), r#"{"message":"m"}"#);
    }
}
