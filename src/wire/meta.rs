//! Views one level into `params`, `result` or `_meta`: the leaves a bridge reads, as borrowed raw texts.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;

use super::raw::{Raw, quoted};
use super::scan::{Broken, Scanner};
use super::splice::Span;

/// The members of `params` that some rule looks at. Everything else is stepped over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    pub meta: Option<Raw<'a>>,
    pub name: Option<Raw<'a>>,
    pub uri: Option<Raw<'a>>,
    pub request_id: Option<Raw<'a>>,
    pub progress_token: Option<Raw<'a>>,
    pub progress: Option<Raw<'a>>,
    pub level: Option<Raw<'a>>,
    pub task: Option<Raw<'a>>,
    pub task_id: Option<Raw<'a>>,
    pub notifications: Option<Raw<'a>>,
    pub input_responses: Option<Raw<'a>>,
    pub request_state: Option<Raw<'a>>,
    pub protocol_version: Option<Raw<'a>>,
    pub capabilities: Option<Raw<'a>>,
    pub client_info: Option<Raw<'a>>,
    pub server_info: Option<Raw<'a>>,
}

/// A member of `params` that some rule looks at.
#[derive(Clone, Copy, Debug)]
enum Leaf {
    Meta,
    Name,
    Uri,
    RequestId,
    ProgressToken,
    Progress,
    Level,
    Task,
    TaskId,
    Notifications,
    InputResponses,
    RequestState,
    ProtocolVersion,
    Capabilities,
    ClientInfo,
    ServerInfo,
}

/// Where the members of `params` lie that some rule looks at, noted while the message was read. Hardly any request has more of them
/// than are noted; where one has, it is stepped through again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaves {
    noted: [Option<(Leaf, Span)>; 4],
    /// A bit for each that was met.
    met: u16,
    are_many: bool,
    /// One stands twice, or there is a name that means no text.
    are_unclear: bool,
}

/// The names of members of `_meta` that the protocol gave a meaning.
pub mod key {
    /// What they begin with.
    pub(super) const PREFIX: &str = "io.modelcontextprotocol/";

    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
}

/// The members of `_meta` that some rule looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<'a> {
    pub progress_token: Option<Raw<'a>>,
    pub protocol_version: Option<Raw<'a>>,
    pub client_capabilities: Option<Raw<'a>>,
    pub client_info: Option<Raw<'a>>,
    pub log_level: Option<Raw<'a>>,
    pub subscription_id: Option<Raw<'a>>,
    pub related_task: Option<Raw<'a>>,
}

/// The members of a result that some rule looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResultView<'a> {
    pub meta: Option<Raw<'a>>,
    pub result_type: Option<Raw<'a>>,
    pub request_state: Option<Raw<'a>>,
    pub supported_versions: Option<Raw<'a>>,
    pub capabilities: Option<Raw<'a>>,
    pub ttl_ms: Option<Raw<'a>>,
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
pub struct Members<'a>(pub Vec<(Cow<'a, str>, Raw<'a>)>);

/// A view that knows its members by name.
trait View<'a>: Default {
    fn leaf(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>>;
}

// === impl Params ===

impl<'a> Params<'a> {
    /// The view of an object; nothing is seen in anything else.
    pub fn of(payload: Option<&'a str>) -> Self {
        view(payload)
    }

    pub fn meta(&self) -> Meta<'a> {
        Meta::of(self.meta)
    }

    /// The view of an object. `None` if a member that some rule looks at stands twice: whoever reads it after us might take the
    /// other one.
    pub(super) fn unambiguous(payload: Option<&'a str>) -> Option<Self> {
        try_view(payload)
    }

    fn place(&mut self, leaf: Leaf) -> &mut Option<Raw<'a>> {
        match leaf {
            Leaf::Meta => &mut self.meta,
            Leaf::Name => &mut self.name,
            Leaf::Uri => &mut self.uri,
            Leaf::RequestId => &mut self.request_id,
            Leaf::ProgressToken => &mut self.progress_token,
            Leaf::Progress => &mut self.progress,
            Leaf::Level => &mut self.level,
            Leaf::Task => &mut self.task,
            Leaf::TaskId => &mut self.task_id,
            Leaf::Notifications => &mut self.notifications,
            Leaf::InputResponses => &mut self.input_responses,
            Leaf::RequestState => &mut self.request_state,
            Leaf::ProtocolVersion => &mut self.protocol_version,
            Leaf::Capabilities => &mut self.capabilities,
            Leaf::ClientInfo => &mut self.client_info,
            Leaf::ServerInfo => &mut self.server_info,
        }
    }
}

impl<'a> View<'a> for Params<'a> {
    fn leaf(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        Leaf::named(name).map(|leaf| self.place(leaf))
    }
}

// === impl Leaf ===

impl Leaf {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"_meta" => Self::Meta,
            b"name" => Self::Name,
            b"uri" => Self::Uri,
            b"requestId" => Self::RequestId,
            b"progressToken" => Self::ProgressToken,
            b"progress" => Self::Progress,
            b"level" => Self::Level,
            b"task" => Self::Task,
            b"taskId" => Self::TaskId,
            b"notifications" => Self::Notifications,
            b"inputResponses" => Self::InputResponses,
            b"requestState" => Self::RequestState,
            b"protocolVersion" => Self::ProtocolVersion,
            b"capabilities" => Self::Capabilities,
            b"clientInfo" => Self::ClientInfo,
            b"serverInfo" => Self::ServerInfo,
            _ => return None,
        })
    }
}

// === impl Leaves ===

impl Leaves {
    /// Steps over an object and notes its leaves.
    pub(super) fn note(&mut self, scan: &mut Scanner<'_>) -> Result<Span, Broken> {
        let mut count = 0;
        scan.members(|scan, key| {
            let leaf = scan.name(&key).map(|name| Leaf::named(&name));
            let at = scan.value()?;
            match leaf {
                None => self.are_unclear = true,
                Some(None) => {}
                Some(Some(leaf)) => {
                    let bit = 1 << leaf as u16;
                    self.are_unclear |= self.met & bit != 0;
                    self.met |= bit;
                    match self.noted.get_mut(count) {
                        Some(free) => *free = Some((leaf, at)),
                        None => self.are_many = true,
                    }
                    count += 1;
                }
            }
            Ok(())
        })
    }

    /// Whether no `_meta` was met, and nothing that might be meant as one.
    pub(super) fn lack_meta(&self) -> bool {
        !self.are_unclear && self.met & (1 << Leaf::Meta as u16) == 0
    }

    /// The view that was noted. `slice` gives the text at a place, `payload` the whole object.
    #[inline]
    pub(super) fn view<'a>(
        &self,
        slice: impl Fn(Span) -> &'a str,
        payload: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Params<'a>> {
        if self.are_unclear {
            return None;
        }
        if self.are_many {
            return Params::unambiguous(payload());
        }
        let mut params = Params::default();
        for (leaf, at) in self.noted.iter().flatten() {
            *params.place(*leaf) = Some(Raw::new(slice(*at)));
        }
        Some(params)
    }
}

// === impl Meta ===

impl<'a> Meta<'a> {
    /// The view of a `_meta`, of whatever message it is.
    pub fn of(meta: Option<Raw<'a>>) -> Self {
        view(meta.map(Raw::get))
    }

    /// The same; `None` if a member that some rule looks at stands twice.
    pub(super) fn unambiguous(meta: Option<Raw<'a>>) -> Option<Self> {
        try_view(meta.map(Raw::get))
    }

    /// The token under which progress is wanted; other values than strings and numbers are none.
    pub fn token(&self) -> Option<Raw<'a>> {
        self.progress_token
            .filter(|raw| matches!(raw.get().as_bytes()[0], b'"' | b'-' | b'0'..=b'9'))
    }
}

impl<'a> View<'a> for Meta<'a> {
    fn leaf(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        if name == b"progressToken" {
            return Some(&mut self.progress_token);
        }
        Some(match name.strip_prefix(key::PREFIX.as_bytes())? {
            b"protocolVersion" => &mut self.protocol_version,
            b"clientCapabilities" => &mut self.client_capabilities,
            b"clientInfo" => &mut self.client_info,
            b"logLevel" => &mut self.log_level,
            b"subscriptionId" => &mut self.subscription_id,
            b"related-task" => &mut self.related_task,
            _ => return None,
        })
    }
}

fn view<'a, T: View<'a>>(text: Option<&'a str>) -> T {
    try_view(text).unwrap_or_default()
}

/// Nothing is seen in what is no object; `None` if an object cannot be read.
fn try_view<'a, T: View<'a>>(text: Option<&'a str>) -> Option<T> {
    let mut view = T::default();
    let Some(text) = text.filter(|text| text.starts_with('{')) else { return Some(view) };
    let mut is_clear = true;
    let mut scan = Scanner::new(text.as_bytes());
    let members = scan.members(|scan, key| {
        let name = scan.name(&key);
        let at = scan.value()?;
        is_clear &= match name.map(|name| view.leaf(&name)) {
            None => false,
            Some(None) => true,
            Some(Some(place)) => place.replace(Raw::at(at, text)).is_none(),
        };
        Ok(())
    });
    (members.is_ok() && scan.end().is_ok() && is_clear).then_some(view)
}

// === impl Implementation ===

impl<'a> Implementation<'a> {
    pub fn of(raw: Option<Raw<'a>>) -> Self {
        Self::read(raw.map_or("", Raw::get))
    }

    /// The view of an object; nothing is seen in anything else.
    pub fn read(text: &'a str) -> Self {
        let object = Some(text).filter(|text| text.starts_with('{'));
        object.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

// === impl ResultView ===

impl<'a> ResultView<'a> {
    /// The view of an object; nothing is seen in anything else.
    pub fn of(result: Option<&'a str>) -> Self {
        view(result)
    }
}

impl<'a> View<'a> for ResultView<'a> {
    fn leaf(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        Some(match name {
            b"_meta" => &mut self.meta,
            b"resultType" => &mut self.result_type,
            b"requestState" => &mut self.request_state,
            b"supportedVersions" => &mut self.supported_versions,
            b"capabilities" => &mut self.capabilities,
            b"ttlMs" => &mut self.ttl_ms,
            _ => return None,
        })
    }
}

// === impl Members ===

impl<'a> Members<'a> {
    /// The members of an object; none of anything else.
    pub fn of(text: &'a str) -> Self {
        let mut members = Vec::new();
        if !text.starts_with('{') {
            return Self(members);
        }
        let mut scan = Scanner::new(text.as_bytes());
        let walked = scan.members(|scan, key| {
            let name = key.text(text).ok_or(Broken)?;
            members.push((name, Raw::at(scan.value()?, text)));
            Ok(())
        });
        if walked.is_err() || scan.end().is_err() {
            members.clear();
        }
        Self(members)
    }

    pub fn get(&self, key: &str) -> Option<Raw<'a>> {
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

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The place of a raw leaf that was borrowed from `whole`.
pub fn place(leaf: Raw<'_>, whole: &[u8]) -> Span {
    Span::of(leaf.get(), whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::Frame;

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
            (r#"{"name":1,"uri":2,"task":3,"level":4,"progress":5}"#, true),
            (r#"{"name":1,"uri":2,"task":3,"level":4,"progress":5,"name":6}"#, false),
            (r#"{"name":1,"\ud800":2}"#, false),
            (r#"{"_meta":{"progressToken":1,"progressToken":2}}"#, false),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{text}}}"#);
            let frame = Frame::skim(text.into()).unwrap();
            assert_eq!(frame.unambiguous().is_some(), clear, "{frame:?}");
        }
        let frame = Frame::skim(r#"{"jsonrpc":"2.0","method":"x"}"#.into()).unwrap();
        assert!(frame.unambiguous().is_some());
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
