//! Views one level into `params`, `result` or `_meta`: the leaves a bridge reads, as borrowed raw texts.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::raw::{keep, quoted};
use super::splice::Span;

/// The members of `params` that some rule looks at. Everything else is stepped over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Params<'a> {
    #[serde(borrow, rename = "_meta", deserialize_with = "keep")]
    pub meta: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub name: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub uri: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub request_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub progress_token: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub progress: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub level: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub task: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub task_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub notifications: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub input_responses: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub request_state: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub protocol_version: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub capabilities: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub client_info: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub server_info: Option<&'a RawValue>,
}

/// The names of members of `_meta` that the protocol gave a meaning.
pub mod key {
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
}

/// The members of `_meta` that some rule looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Meta<'a> {
    #[serde(borrow, rename = "progressToken", deserialize_with = "keep")]
    pub progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion", deserialize_with = "keep")]
    pub protocol_version: Option<&'a RawValue>,
    #[serde(
        borrow,
        rename = "io.modelcontextprotocol/clientCapabilities",
        deserialize_with = "keep"
    )]
    pub client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo", deserialize_with = "keep")]
    pub client_info: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel", deserialize_with = "keep")]
    pub log_level: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId", deserialize_with = "keep")]
    pub subscription_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/related-task", deserialize_with = "keep")]
    pub related_task: Option<&'a RawValue>,
}

/// The members of a result that some rule looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResultView<'a> {
    #[serde(borrow, rename = "_meta", deserialize_with = "keep")]
    pub meta: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub result_type: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub request_state: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub supported_versions: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub capabilities: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    pub ttl_ms: Option<&'a RawValue>,
}

/// The members of `clientInfo` and `serverInfo` that are worth a log line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Implementation<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub version: Cow<'a, str>,
}

/// An object's members in order, keys unescaped and values raw.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

// === impl Params ===

impl<'a> Params<'a> {
    /// The view of an object; nothing is seen in anything else.
    pub fn of(payload: Option<&'a str>) -> Self {
        view(payload)
    }

    pub fn meta(&self) -> Meta<'a> {
        Meta::of(self.meta)
    }

    /// The view of an object and of its `_meta`. `None` if a member that some rule looks at stands twice: whoever reads it after
    /// us might take the other one.
    pub fn unambiguous(payload: Option<&'a str>) -> Option<(Self, Meta<'a>)> {
        let params: Self = try_view(payload)?;
        let meta = try_view(params.meta.map(RawValue::get))?;
        Some((params, meta))
    }
}

impl<'a> Meta<'a> {
    /// The view of a `_meta`, of whatever message it is.
    pub fn of(meta: Option<&'a RawValue>) -> Self {
        view(meta.map(RawValue::get))
    }

    /// The token under which progress is wanted; other values than strings and numbers are none.
    pub fn token(&self) -> Option<&'a RawValue> {
        self.progress_token
            .filter(|raw| matches!(raw.get().as_bytes()[0], b'"' | b'-' | b'0'..=b'9'))
    }
}

fn view<'a, T: Deserialize<'a> + Default>(text: Option<&'a str>) -> T {
    try_view(text).unwrap_or_default()
}

/// Nothing is seen in what is no object; `None` if an object cannot be read.
fn try_view<'a, T: Deserialize<'a> + Default>(text: Option<&'a str>) -> Option<T> {
    match text.filter(|text| text.starts_with('{')) {
        Some(text) => serde_json::from_str(text).ok(),
        None => Some(T::default()),
    }
}

// === impl Implementation ===

impl<'a> Implementation<'a> {
    pub fn of(raw: Option<&'a RawValue>) -> Self {
        view(raw.map(RawValue::get))
    }

    pub fn read(text: &'a str) -> Self {
        view(Some(text))
    }
}

// === impl ResultView ===

impl<'a> ResultView<'a> {
    /// The view of an object; nothing is seen in anything else.
    pub fn of(result: Option<&'a str>) -> Self {
        view(result)
    }
}

// === impl Members ===

impl<'a> Members<'a> {
    /// The members of an object; none of anything else.
    pub fn of(text: &'a str) -> Self {
        view::<Option<Self>>(Some(text)).unwrap_or_else(|| Self(Vec::new()))
    }

    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The object again, without the members that `drop` names.
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> String {
        let mut out = String::from("{");
        for (name, value) in self.0.iter().filter(|(name, _)| !drop(name)) {
            if out.len() > 1 {
                out.push(',');
            }
            write!(out, "{}:{}", quoted(name), value.get()).expect("strings take any text");
        }
        out.push('}');
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Walk)
    }
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A key that borrows where it can; `Cow` alone always copies.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Borrowing<'a>(#[serde(borrow)] Cow<'a, str>);
        Borrowing::deserialize(from).map(|key| Self(key.0))
    }
}

/// The place of a raw leaf that was borrowed from `whole`.
pub fn place(leaf: &RawValue, whole: &[u8]) -> Span {
    Span::of(leaf.get(), whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_seen_and_the_rest_is_stepped_over() {
        let text = r#"{"name":"x","arguments":{"name":"y"},"_meta":{"progressToken":7,"z":1}}"#;
        let params = Params::of(Some(text));
        assert_eq!(params.name.unwrap().get(), "\"x\"");
        assert_eq!(params.meta().progress_token.unwrap().get(), "7");
        assert!(Params::of(Some("[1]")).name.is_none());
        assert!(Params::of(None).meta().progress_token.is_none());
        assert_eq!(Params::of(Some(r#"{"uri":null}"#)).uri.unwrap().get(), "null");
    }

    #[test]
    fn what_stands_twice_is_ambiguous_where_a_rule_looks_at_it() {
        for (text, clear) in [
            (r#"{"name":"x","_meta":{"progressToken":1}}"#, true),
            (r#"{"arguments":1,"arguments":2,"_meta":{"x":1,"x":2}}"#, true),
            ("[1]", true),
            (r#"{"name":"x","n\u0061me":"y"}"#, false),
            (r#"{"_meta":{"progressToken":1,"progressToken":2}}"#, false),
        ] {
            assert_eq!(Params::unambiguous(Some(text)).is_some(), clear, "{text}");
        }
        assert!(Params::unambiguous(None).is_some());
    }

    #[test]
    fn only_strings_and_numbers_are_tokens() {
        for (token, is_one) in
            [("1", true), ("\"a\"", true), ("-1", true), ("null", false), ("[1]", false)]
        {
            let text = format!(r#"{{"_meta":{{"progressToken":{token}}}}}"#);
            assert_eq!(Params::of(Some(&text)).meta().token().is_some(), is_one, "{token}");
        }
    }

    #[test]
    fn members_keep_their_order_when_some_are_dropped() {
        let members = Members::of(r#"{"b":1, "t\u0061sks":{}, "a":[1, 2]}"#);
        assert_eq!(members.without(|key| key == "tasks"), r#"{"b":1,"a":[1, 2]}"#);
        assert_eq!(Members::of("{}").without(|_| false), "{}");
        assert_eq!(Members::of("3").0.len(), 0);
    }
}
