//! What a child said of itself, and how that reads to clients of either era.

use std::time::Duration;

use bytes::Bytes;

use super::welcome::{Welcome, spliced};
use crate::bridge::translate::capabilities::{TASKS, with_tasks};
use crate::config::model::TasksChoice;
use crate::wire::id::RawId;
use crate::wire::meta::{self, Implementation, Members, Params, ResultView, key};
use crate::wire::method::Method;
use crate::wire::raw::{self, Raw, quoted};
use crate::wire::splice::{Patch, Span};
use crate::wire::version::{Era, Version};

/// What a child can do, from its `initialize` result or its `DiscoverResult`.
#[derive(Clone, Debug)]
pub struct Abilities {
    /// How it has to be spoken to.
    pub era: Era,
    /// The raw result.
    pub result: Box<str>,
    /// The date that was agreed on.
    pub version: Box<str>,
    pub server_name: Box<str>,
    pub server_version: Box<str>,
    /// The raw `serverInfo` object; empty if it said none.
    pub server_info: Box<str>,
    pub logging: bool,
    pub lists: Lists,
    /// Whether it takes subscriptions to resources.
    pub subscribes: bool,
    /// Whether calls of its tools can become tasks, in the words of its era.
    pub tasks: bool,
    /// How long a `DiscoverResult` may be kept; nothing of the kind is said in a handshake.
    pub ttl: Duration,
    /// The result of `initialize` for clients with a handshake.
    welcome: Welcomes,
    /// The result of `server/discover` for clients without one.
    discovery: Box<str>,
    /// The same for those that are to hear of the tasks of another era.
    tasked: Option<Box<str>>,
}

/// The result of `initialize` for those who can be told what changes, and for those who cannot.
#[derive(Clone, Debug)]
struct Welcomes {
    whole: Welcome,
    quiet: Welcome,
}

/// The lists a child says it will announce changes of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub tools: bool,
    pub resources: bool,
    pub prompts: bool,
}

/// The name of a child that gives none, where none better is known.
const NAMELESS: &str = "mcp-server";

/// The members of both results that are written anew for clients of the other era.
const OWN: [&str; 8] = [
    "protocolVersion",
    "serverInfo",
    "supportedVersions",
    "resultType",
    "ttlMs",
    "cacheScope",
    "capabilities",
    "_meta",
];

// === impl Lists ===

impl Lists {
    /// Whether changes of the list that a notification is about are announced.
    pub fn announces(self, notice: Method) -> bool {
        (notice == Method::ToolsListChanged && self.tools)
            || (notice == Method::ResourcesListChanged && self.resources)
            || (notice == Method::PromptsListChanged && self.prompts)
    }

    /// The notifications by which it is announced what has changed.
    pub fn notices(self) -> impl Iterator<Item = Method> {
        [Method::ToolsListChanged, Method::ResourcesListChanged, Method::PromptsListChanged]
            .into_iter()
            .filter(move |notice| self.announces(*notice))
    }

    /// What both announce.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self {
            tools: self.tools && other.tools,
            resources: self.resources && other.resources,
            prompts: self.prompts && other.prompts,
        }
    }

    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

// === impl Abilities ===

impl Abilities {
    /// What a shared child can do, from a result of either kind that was kept.
    pub fn recalled(result: &str) -> Option<Self> {
        Self::of_initialize(result, true).or_else(|| Self::of_discovery(result))
    }

    /// From the answer to `initialize`. `shared` children lose what cannot be shared.
    pub fn of_initialize(result: &str, shared: bool) -> Option<Self> {
        let params = Params::of(Some(result));
        let version = raw::string(params.protocol_version?.get())?;
        if Era::of(&version) == Era::Modern {
            return None;
        }
        let raw = params.capabilities?.get();
        if !raw.starts_with('{') {
            return None;
        }
        let capabilities = Members::of(raw);
        // Tasks have owners, and a shared child cannot tell its callers apart.
        let initialize: Box<str> = if shared && capabilities.get("tasks").is_some() {
            let kept = capabilities.without(|key| key == "tasks");
            let at = Span::of(raw, result.as_bytes());
            spliced(result, &[Patch { at, with: kept.as_bytes() }])
        } else {
            result.into()
        };
        let server_info = object(params.server_info).unwrap_or("");
        let requests = below(capabilities.get("tasks"), "requests");
        let of_tools = below(requests, "tools");
        let tasks = below(of_tools, "call").is_some();
        let welcome = Welcomes::of(initialize)?;
        Some(Self {
            version: version.as_ref().into(),
            tasks,
            discovery: discovery(result, server_info, false),
            tasked: tasks.then(|| discovery(result, server_info, true)),
            ..Self::of(Era::Legacy, &capabilities, server_info, result.into(), welcome)
        })
    }

    /// From the answer to `server/discover`, if there is a revision that we speak too.
    pub fn of_discovery(result: &str) -> Option<Self> {
        let view = ResultView::of(Some(result));
        let supported = view.supported_versions?;
        let dates = Raw::items(supported.get())?;
        let mutual = Version::MODERN.as_str();
        if !dates.iter().any(|date| raw::string(date.get()).as_deref() == Some(mutual)) {
            return None;
        }
        let capabilities = Members::of(object(view.capabilities)?);
        let meta = Members::of(view.meta.map_or("", Raw::get));
        let server_info = object(meta.get(key::SERVER_INFO)).unwrap_or("");
        let ttl = view.ttl_ms.and_then(|ttl| ttl.get().parse().ok()).unwrap_or(0);
        let at = meta::place(supported, result.as_bytes());
        let only = format!("[\"{mutual}\"]");
        let only = Patch { at, with: only.as_bytes() };
        let welcome = Welcomes::of(initialize(result, NAMELESS, server_info))?;
        Some(Self {
            version: mutual.into(),
            ttl: Duration::from_millis(ttl),
            discovery: if view.result_type.is_some() {
                spliced(result, &[only])
            } else {
                let at = Span { start: 0, end: 1 }.inside();
                spliced(result, &[Patch { at, with: br#""resultType":"complete","# }, only])
            },
            ..Self::of(Era::Modern, &capabilities, server_info, result.into(), welcome)
        })
    }

    /// What is read alike in both eras.
    fn of(
        era: Era,
        capabilities: &Members<'_>,
        server_info: &str,
        result: Box<str>,
        welcome: Welcomes,
    ) -> Self {
        let says = |one: &str, what: &str| {
            capabilities.get(one).is_some_and(|value| {
                Members::of(value.get()).get(what).is_some_and(|on| on.get() == "true")
            })
        };
        let announces = |one| says(one, "listChanged");
        let extensions = Members::of(capabilities.get("extensions").map_or("", Raw::get));
        let about = Implementation::read(server_info);
        Self {
            era,
            result,
            version: Box::default(),
            server_name: about.name.as_ref().into(),
            server_version: about.version.as_ref().into(),
            server_info: server_info.into(),
            logging: capabilities.get("logging").is_some(),
            lists: Lists {
                tools: announces("tools"),
                resources: announces("resources"),
                prompts: announces("prompts"),
            },
            subscribes: says("resources", "subscribe"),
            tasks: era == Era::Modern && extensions.get(TASKS).is_some(),
            ttl: Duration::ZERO,
            welcome,
            discovery: Box::default(),
            tasked: None,
        }
    }

    /// Gives a child its server's name where it has to have one and said none: older clients insist on one.
    #[must_use]
    pub fn named(mut self, server: &str) -> Self {
        if self.era == Era::Modern
            && let Some(welcome) = Welcomes::of(initialize(&self.result, server, &self.server_info))
        {
            self.welcome = welcome;
        }
        self
    }

    /// The answer to a client's `initialize`, in the revision it is to speak. One that `hears` nothing beside the answers to its
    /// calls is offered nothing else.
    pub fn answer(&self, id: &RawId, version: Version, hears: bool) -> Bytes {
        let said = if hears { &self.welcome.whole } else { &self.welcome.quiet };
        said.answer(id, version)
    }

    /// The result of a client's `server/discover`, which hears of the tasks of another era where those are bridged.
    pub fn discovery(&self, tasks: TasksChoice) -> &str {
        let tasked = self.tasked.as_ref().filter(|_| tasks == TasksChoice::Bridge);
        tasked.unwrap_or(&self.discovery)
    }
}

// === impl Welcomes ===

impl Welcomes {
    fn of(initialize: Box<str>) -> Option<Self> {
        let whole = Welcome::of(initialize)?;
        Some(Self { quiet: whole.quiet()?, whole })
    }
}

/// The `initialize` result of a child that gave a `DiscoverResult`.
fn initialize(result: &str, server: &str, server_info: &str) -> Box<str> {
    let (capabilities, meta, rest) = common(result);
    let nameless = format!(r#"{{"name":{},"version":"0"}}"#, quoted(server));
    let info = if server_info.is_empty() { &nameless } else { server_info };
    let said = format!(r#""protocolVersion":"","capabilities":{capabilities}"#);
    let info = member("serverInfo", info);
    joined(&[&said, &info, &member("_meta", &meta), inner(&rest)]).into()
}

/// The `DiscoverResult` of a child that gave an `initialize` result. Nothing is known of how long that holds, nor for whom.
fn discovery(result: &str, server_info: &str, tasks: bool) -> Box<str> {
    let (mut capabilities, meta, rest) = common(result);
    if tasks {
        capabilities = with_tasks(&capabilities).into_owned();
    }
    let said = format!(
        r#""resultType":"complete","supportedVersions":["{}"],"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private""#,
        Version::MODERN
    );
    let info = member(key::SERVER_INFO, server_info);
    let meta = member("_meta", &joined(&[&info, inner(&meta)]));
    joined(&[&said, &meta, inner(&rest)]).into()
}

/// What both results say alike: the capabilities as the other era may see them, `_meta` without the child's name, and what else
/// there is.
fn common(result: &str) -> (String, String, String) {
    let members = Members::of(result);
    let below = |name: &str| Members::of(members.get(name).map_or("", Raw::get));
    let meta = below("_meta").without(|name| name == key::SERVER_INFO);
    let rest = members.without(|name| OWN.contains(&name));
    (untasked(&below("capabilities")), meta, rest)
}

/// Capabilities for clients of the other era. What tasks are is another thing there.
fn untasked(capabilities: &Members<'_>) -> String {
    let kept = capabilities.without(|key| key == "tasks" || key == "extensions");
    let extensions = Members::of(capabilities.get("extensions").map_or("", Raw::get));
    let extensions = member("extensions", &extensions.without(|key| key == TASKS));
    joined(&[&extensions, inner(&kept)])
}

/// A member with an object, if there is anything in that.
fn member(name: &str, object: &str) -> String {
    let is_empty = matches!(object, "" | "{}");
    if is_empty { String::new() } else { format!("{}:{object}", quoted(name)) }
}

/// The members of an object.
fn inner(object: &str) -> &str {
    &object[1..object.len() - 1]
}

/// An object of such members.
fn joined(members: &[&str]) -> String {
    let some: Vec<&str> = members.iter().copied().filter(|text| !text.is_empty()).collect();
    format!("{{{}}}", some.join(","))
}

/// A member of an object, if both are there.
fn below<'a>(object: Option<Raw<'a>>, key: &str) -> Option<Raw<'a>> {
    Members::of(object?.get()).get(key)
}

fn object(raw: Option<Raw<'_>>) -> Option<&str> {
    raw.map(Raw::get).filter(|text| text.starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGACY: &str = r#"{"protocolVersion":"2024-11-05","capabilities":{"logging":{},"tasks":{},"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}},"serverInfo":{"name":"n\"","version":"1"},"instructions":"i","_meta":{"a":1},"x":1e400}"#;

    const MODERN: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28","2027-01-01"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/tasks":{}}},"instructions":"i","ttlMs":1500,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}},"x":1e400}"#;

    fn answer(abilities: &Abilities) -> String {
        let answer = abilities.answer(&RawId::new("\"a\""), Version::V2025_06_18, true);
        String::from_utf8(answer.into()).unwrap()
    }

    #[test]
    fn the_result_is_kept_and_answered_in_the_clients_revision() {
        let abilities = Abilities::of_initialize(LEGACY, true).unwrap();
        assert!(abilities.logging && abilities.subscribes && abilities.era == Era::Legacy);
        assert_eq!(abilities.lists, Lists { tools: true, resources: false, prompts: false });
        assert_eq!((&*abilities.server_name, &*abilities.version), ("n\"", "2024-11-05"));
        assert_eq!(
            answer(&abilities),
            r#"{"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}},"serverInfo":{"name":"n\"","version":"1"},"instructions":"i","_meta":{"a":1},"x":1e400}}"#
        );
    }

    #[test]
    fn a_private_child_keeps_its_tasks() {
        assert!(
            !answer(&Abilities::of_initialize(LEGACY, true).unwrap()).contains("tasks\":{},\"t")
        );
        assert!(
            answer(&Abilities::of_initialize(LEGACY, false).unwrap()).contains("tasks\":{},\"t")
        );
    }

    #[test]
    fn the_tasks_of_an_older_child_are_offered_where_they_are_bridged() {
        let with = |tasks: &str| {
            let text = LEGACY.replacen(r#""tasks":{}"#, &format!(r#""tasks":{tasks}"#), 1);
            Abilities::of_initialize(&text, true).unwrap()
        };
        let child = with(r#"{"requests":{"tools":{"call":{}}}}"#);
        let offer = r#""extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}"#;
        assert!(child.tasks && child.discovery(TasksChoice::Bridge).contains(offer));
        assert!(!child.discovery(TasksChoice::Off).contains(offer));
        let child = with(r#"{"requests":{}}"#);
        assert!(!child.tasks && !child.discovery(TasksChoice::Bridge).contains(offer));
    }

    #[test]
    fn a_child_with_a_handshake_is_discovered_by_those_without() {
        let abilities = Abilities::of_initialize(LEGACY, false).unwrap();
        assert_eq!(
            abilities.discovery(TasksChoice::Off),
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"extensions":{"x/y":{}},"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n\"","version":"1"},"a":1},"instructions":"i","x":1e400}"#
        );
        let bare = r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#;
        assert_eq!(
            Abilities::of_initialize(bare, true).unwrap().discovery(TasksChoice::Off),
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":0,"cacheScope":"private"}"#
        );
    }

    #[test]
    fn a_child_without_a_handshake_answers_those_with_one() {
        let abilities = Abilities::of_discovery(MODERN).unwrap();
        assert!(abilities.subscribes && abilities.lists.tools && !abilities.logging);
        assert_eq!((abilities.era, &*abilities.version), (Era::Modern, "2026-07-28"));
        assert_eq!((&*abilities.server_name, &*abilities.server_version), ("m", "2"));
        assert_eq!(&*abilities.server_info, r#"{"name":"m","version":"2"}"#);
        assert_eq!((abilities.ttl, &*abilities.result), (Duration::from_millis(1500), MODERN));
        assert_eq!(
            answer(&abilities.named("key")),
            r#"{"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"serverInfo":{"name":"m","version":"2"},"instructions":"i","x":1e400}}"#
        );
    }

    #[test]
    fn a_nameless_child_goes_by_its_servers_name() {
        let text = r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"_meta":{"b":2}}"#;
        let abilities = Abilities::of_discovery(text).unwrap().named("ke\"y");
        assert_eq!((&*abilities.server_name, &*abilities.server_info), ("", ""));
        assert_eq!(
            answer(&abilities),
            r#"{"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"ke\"y","version":"0"},"_meta":{"b":2}}}"#
        );
        assert!(
            abilities
                .discovery(TasksChoice::Off)
                .starts_with(r#"{"resultType":"complete","supported"#)
        );
    }

    #[test]
    fn only_revisions_that_we_speak_too_are_offered() {
        let abilities = Abilities::of_discovery(MODERN).unwrap();
        let cut = MODERN.replace(r#","2027-01-01"]"#, "]");
        assert_eq!(abilities.discovery(TasksChoice::Off), cut);
    }

    #[test]
    fn members_that_stand_twice_are_passed_on_or_make_it_no_answer_at_all() {
        // None of these says anything in an answer to `initialize` or to `server/discover`, but in other messages they do.
        for member in ["name", "uri", "requestId", "clientInfo", "serverInfo", "protocolVersion"] {
            let twice = format!(r#""{member}":{{}},"{member}":{{}},"ttlMs""#);
            let text = MODERN.replacen(r#""ttlMs""#, &twice, 1).replace("1e400", "1");
            let abilities = Abilities::of_discovery(&text).unwrap().named("key");
            for hears in [true, false] {
                let id = RawId::new("1");
                let answer = abilities.answer(&id, Version::V2025_06_18, hears);
                let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{member}");
                assert_eq!(answer["result"]["serverInfo"]["name"], "m", "{member}");
                let offer = &answer["result"]["capabilities"]["tools"]["listChanged"];
                assert_eq!(offer.as_bool(), hears.then_some(true), "{member}");
            }
        }
        for member in ["supportedVersions", "capabilities", "_meta"] {
            let text = MODERN.replacen('{', &format!(r#"{{"{member}":{{}},"#), 1);
            assert!(Abilities::of_discovery(&text).is_none(), "{member}");
        }
        for member in ["protocolVersion", "capabilities", "serverInfo", "_meta"] {
            let text = LEGACY.replacen('{', &format!(r#"{{"{member}":{{}},"#), 1);
            assert!(Abilities::of_initialize(&text, true).is_none(), "{member}");
        }
        let offers =
            r#""capabilities":{"tools":{"listChanged":true},"tools":{"listChanged":true},"#;
        for shared in [true, false] {
            let text = LEGACY.replacen(r#""capabilities":{"#, offers, 1);
            let abilities = Abilities::of_initialize(&text, shared).unwrap();
            let answer = abilities.answer(&RawId::new("1"), Version::V2025_06_18, false);
            let answer = String::from_utf8(answer.into()).unwrap();
            assert!(!answer.contains("listChanged"), "{answer}");
        }
    }

    #[test]
    fn what_was_kept_is_known_by_its_form() {
        assert_eq!(Abilities::recalled(LEGACY).unwrap().era, Era::Legacy);
        assert_eq!(Abilities::recalled(MODERN).unwrap().era, Era::Modern);
        for other in [
            "3",
            "{}",
            r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#,
            r#"{"protocolVersion":"2025-06-18","capabilities":[]}"#,
            r#"{"supportedVersions":["2027-01-01"],"capabilities":{}}"#,
            r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
            r#"{"supportedVersions":["2026-07-28"]}"#,
        ] {
            assert!(Abilities::recalled(other).is_none(), "{other}");
        }
    }
}
