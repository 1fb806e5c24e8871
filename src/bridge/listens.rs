//! The streams of changes that clients without a session hold open, and what each of them wants to hear.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::front::Principal;
use super::greeting::Lists;
use super::tasks::TaskId;
use crate::wire::id::{CallId, RawId};
use crate::wire::meta::{Members, key};
use crate::wire::method::Method;
use crate::wire::raw::{self, Raw};

/// All of them on one switchboard, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Listens(BTreeMap<CallId, Listen>);

/// One of them.
#[derive(Debug)]
pub(super) struct Listen {
    /// The id its client gave it, which every message on it carries.
    pub id: RawId,
    /// Whose it is.
    pub principal: Principal,
    /// What its client asked to hear of.
    pub asked: Lists,
    /// What of that it hears of, as far as the child tells it; once acknowledged, as it was told.
    pub lists: Lists,
    pub resources: Vec<Box<str>>,
    /// Tasks of its client that it hears of.
    pub tasks: Vec<TaskId>,
    /// Resources on which the child's word is still to come.
    pub undecided: usize,
    /// Its client was told what it will hear of.
    pub acknowledged: bool,
    /// The child that is there now has acknowledged it too, where it is the child's own.
    pub confirmed: bool,
}

/// What a client wants to hear of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter<'a> {
    pub lists: Lists,
    pub resources: Vec<Cow<'a, str>>,
    pub tasks: Vec<Cow<'a, str>>,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    /// Reads `params.notifications`; says what is wrong with it.
    pub(super) fn read(notifications: Option<&'a str>) -> Result<Self, &'static str> {
        let text = notifications.filter(|text| text.starts_with('{'));
        let members = Members::of(text.ok_or("\"notifications\" must be an object")?);
        let is_on = |key: &str| match members.get(key).map(Raw::get) {
            None | Some("false" | "null") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(
                "toolsListChanged, promptsListChanged and resourcesListChanged must be booleans",
            ),
        };
        let lists = Lists {
            tools: is_on("toolsListChanged")?,
            prompts: is_on("promptsListChanged")?,
            resources: is_on("resourcesListChanged")?,
        };
        let resources = texts(members.get("resourceSubscriptions"))
            .ok_or("\"resourceSubscriptions\" must be an array of strings")?;
        let tasks =
            texts(members.get("taskIds")).ok_or("\"taskIds\" must be an array of strings")?;
        Ok(Self { lists, resources, tasks })
    }
}

/// The strings in an array, each once; none where there is no array.
fn texts(array: Option<Raw<'_>>) -> Option<Vec<Cow<'_, str>>> {
    let Some(array) = array else { return Some(Vec::new()) };
    let parts = Raw::items(array.get())?;
    let mut texts: Vec<Cow<'_, str>> =
        parts.into_iter().map(|part| raw::string(part.get())).collect::<Option<_>>()?;
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

// === impl Listens ===

impl Listens {
    /// Streams open at once on one switchboard, and those of one principal among them. Where nobody has to say who they are
    /// everybody is one principal.
    const MAX: usize = 1024;
    const PER_PRINCIPAL_MAX: usize = 256;

    /// The longest request: it is kept as long as its stream, to be sent to the next child.
    pub(super) const REQUEST_MAX: usize = 64 << 10;

    /// Whether a principal may open another stream; says why not.
    pub(super) fn may_open(&self, principal: &Principal) -> Result<(), &'static str> {
        if self.len() >= Self::MAX {
            return Err("too many streams of changes are open");
        }
        if self.of_principal(principal).count() >= Self::PER_PRINCIPAL_MAX {
            return Err("this client has too many streams of changes open");
        }
        Ok(())
    }

    /// How many resources the streams of a principal want to hear of.
    pub(super) fn resources_of(&self, principal: &Principal) -> usize {
        self.of_principal(principal).map(|listen| listen.resources.len()).sum()
    }

    fn of_principal<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Listen> {
        self.0.values().filter(move |listen| listen.principal == *principal)
    }

    pub(super) fn open(&mut self, call: CallId, listen: Listen) {
        self.0.insert(call, listen);
    }

    pub(super) fn close(&mut self, call: CallId) -> Option<Listen> {
        self.0.remove(&call)
    }

    pub(super) fn get_mut(&mut self, call: CallId) -> Option<&mut Listen> {
        self.0.get_mut(&call)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether any of them is to hear of resources.
    pub(super) fn want_resources(&self) -> bool {
        self.0.values().any(|listen| !listen.resources.is_empty())
    }

    pub(super) fn calls(&self) -> Vec<CallId> {
        self.0.keys().copied().collect()
    }

    /// Those that hear of changes of a list, and the ids their messages carry.
    pub(super) fn of_list(&self, method: Method) -> Vec<(CallId, RawId)> {
        let hears = |listen: &Listen| listen.acknowledged && listen.lists.announces(method);
        let hearing = self.0.iter().filter(|(_, listen)| hears(listen));
        hearing.map(|(call, listen)| (*call, listen.id.clone())).collect()
    }
}

// === impl Listen ===

impl Listen {
    /// What its client is told first: what it will hear of.
    pub(super) fn acknowledgement(&self) -> Bytes {
        let mut honoured: Vec<String> = Vec::new();
        for (on, name) in [
            (self.lists.tools, "toolsListChanged"),
            (self.lists.prompts, "promptsListChanged"),
            (self.lists.resources, "resourcesListChanged"),
        ] {
            if on {
                honoured.push(format!("\"{name}\":true"));
            }
        }
        if !self.resources.is_empty() {
            let uris: Vec<String> = self.resources.iter().map(|uri| raw::quoted(uri)).collect();
            honoured.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        }
        format!(
            r#"{{"jsonrpc":"2.0","method":"{}","params":{{"notifications":{{{}}},"_meta":{{"{}":{}}}}}}}"#,
            Method::ListenAcknowledged.name(),
            honoured.join(","),
            key::SUBSCRIPTION_ID,
            self.id.as_str()
        )
        .into()
    }
}

/// The answer that ends a stream of changes.
pub(super) fn end(id: &RawId) -> Bytes {
    let id = id.as_str();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{}":{id}}}}}}}"#,
        key::SUBSCRIPTION_ID
    )
    .into()
}

/// The request with which the bridge itself listens.
pub(super) fn request(id: u64, envelope: &str, filter: &str) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{}","params":{{"notifications":{{{filter}}},"_meta":{{{envelope}}}}}}}"#,
        Method::Listen.name()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_and_what_is_wrong_with_it_is_said() {
        let text = r#"{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["b","a","b"],"x":1}"#;
        let filter = Filter::read(Some(text)).unwrap();
        assert_eq!(filter.lists, Lists { tools: true, prompts: false, resources: false });
        assert_eq!(filter.resources, ["a", "b"]);
        assert_eq!(Filter::read(Some("{}")), Ok(Filter::default()));
        for text in [
            None,
            Some("[]"),
            Some(r#"{"toolsListChanged":1}"#),
            Some(r#"{"resourceSubscriptions":[1]}"#),
            Some(r#"{"taskIds":"a"}"#),
        ] {
            assert!(Filter::read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_honoured_is_told_under_the_clients_id() {
        let listen = Listen {
            id: RawId::new("\"L1\""),
            principal: Principal::anonymous(),
            asked: Lists::default(),
            lists: Lists { tools: true, ..Lists::default() },
            resources: vec!["file:///a".into()],
            tasks: Vec::new(),
            undecided: 0,
            acknowledged: false,
            confirmed: false,
        };
        assert_eq!(
            listen.acknowledgement(),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]},"_meta":{"io.modelcontextprotocol/subscriptionId":"L1"}}}"#
        );
    }
}
