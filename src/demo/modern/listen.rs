//! Who wants to hear of changes. A client opens a listen, says what it wants, and hears of that and nothing else until
//! it cancels the listen or the server ends it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::{Envelope, SERVER_KEY, TASKS};
use crate::demo::server::Server;
use crate::wire::fault::{self, Fault, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST};
use crate::wire::id::RawId;

const ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

const LISTENS_MAX: usize = 1000;

/// Something that has changed.
#[derive(Debug, Clone, Copy)]
pub(in crate::demo) enum News<'a> {
    Tools,
    Prompts,
    Resources,
    /// The resource with this address.
    Resource(&'a str),
    /// The task with this id, as it is now.
    Task(&'a str, &'a Value),
}

#[derive(Debug, Default)]
pub(in crate::demo) struct Listens(Mutex<HashMap<RawId, Filter>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    tools: bool,
    prompts: bool,
    resources: bool,
    uris: BTreeSet<String>,
    tasks: BTreeSet<String>,
}

// === impl Listens ===

impl Listens {
    /// Opens a listen and acknowledges it. Nothing is said of a change before that.
    pub(super) fn open(
        &self,
        server: &Server,
        id: &RawId,
        params: &Value,
        envelope: &Envelope,
    ) -> Result<(), Fault> {
        let wanted = params["notifications"].as_object().ok_or_else(|| {
            Fault::new(INVALID_PARAMS, "\"notifications\" must say what to listen for")
        })?;
        let mut filter = Filter::read(wanted)?;
        filter.tasks.retain(|id| envelope.extends(TASKS) && server.tasks.find(id).is_some());
        let mut listens = self.lock();
        if listens.contains_key(id) {
            return Err(Fault::new(INVALID_REQUEST, "a listen with this id is open"));
        }
        if listens.len() >= LISTENS_MAX {
            return Err(Fault::new(INTERNAL_ERROR, "too many listens at once, end one first"));
        }
        let honoured = json!({"notifications": filter.honoured()});
        tell(server, id, "notifications/subscriptions/acknowledged", &honoured);
        listens.insert(id.clone(), filter);
        Ok(())
    }

    /// Tells everyone who wants to hear of it, and whether anyone did.
    pub(in crate::demo) fn tell(&self, server: &Server, news: News<'_>) -> bool {
        let listens = self.lock();
        let mut interested = listens.iter().filter(|(_, filter)| filter.wants(news)).peekable();
        let is_heard = interested.peek().is_some();
        for (id, _) in interested {
            tell(server, id, news.method(), &news.params());
        }
        is_heard
    }

    /// The client wants to hear no more. One that is not open does not matter.
    pub(in crate::demo) fn close(&self, id: &RawId) {
        self.lock().remove(id);
    }

    /// Ends all listens, as a server does that goes away.
    pub(in crate::demo) fn end_all(&self, server: &Server) {
        for (id, _) in self.lock().drain() {
            let about = server.about();
            let raw = id.as_str();
            let result = format!(
                r#"{{"resultType":"complete","_meta":{{"{ID_KEY}":{raw},"{SERVER_KEY}":{about}}}}}"#
            );
            server.voice.say(&fault::result(&id, &result));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RawId, Filter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Filter ===

impl Filter {
    fn read(wanted: &Map<String, Value>) -> Result<Self, Fault> {
        let bad = |name: &str, kind: &str| {
            Fault::new(INVALID_PARAMS, format!("{name:?} in \"notifications\" must be {kind}"))
        };
        let flag = |name: &str| match wanted.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(bad(name, "true or false")),
        };
        let texts = |name: &str| {
            let Some(list) = wanted.get(name) else { return Ok(BTreeSet::new()) };
            let list = list.as_array().ok_or_else(|| bad(name, "a list of texts"))?;
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| bad(name, "a list of texts"))
        };
        Ok(Self {
            tools: flag("toolsListChanged")?,
            prompts: flag("promptsListChanged")?,
            resources: flag("resourcesListChanged")?,
            uris: texts("resourceSubscriptions")?,
            tasks: texts("taskIds")?,
        })
    }

    fn honoured(&self) -> Value {
        let mut honoured = json!({});
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in flags.into_iter().filter(|(_, is_wanted)| *is_wanted) {
            honoured[name] = true.into();
        }
        let lists = [("resourceSubscriptions", &self.uris), ("taskIds", &self.tasks)];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            honoured[name] = json!(list);
        }
        honoured
    }

    fn wants(&self, news: News<'_>) -> bool {
        match news {
            News::Tools => self.tools,
            News::Prompts => self.prompts,
            News::Resources => self.resources,
            News::Resource(uri) => self.uris.contains(uri),
            News::Task(id, _) => self.tasks.contains(id),
        }
    }
}

// === impl News ===

impl News<'_> {
    pub(in crate::demo) fn method(self) -> &'static str {
        match self {
            News::Tools => "notifications/tools/list_changed",
            News::Prompts => "notifications/prompts/list_changed",
            News::Resources => "notifications/resources/list_changed",
            News::Resource(_) => "notifications/resources/updated",
            News::Task(..) => "notifications/tasks",
        }
    }

    pub(in crate::demo) fn params(self) -> Value {
        match self {
            News::Tools | News::Prompts | News::Resources => Value::Null,
            News::Resource(uri) => json!({"uri": uri}),
            News::Task(_, task) => task.clone(),
        }
    }
}

/// Says something to one listen. Its id is written as the client wrote it.
fn tell(server: &Server, id: &RawId, method: &str, params: &Value) {
    let mut members: Vec<String> = params
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    members.push(format!(r#""_meta":{{"{ID_KEY}":{}}}"#, id.as_str()));
    server.notify_raw(method, &format!("{{{}}}", members.join(",")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wanted: &Value) -> Result<Filter, i32> {
        Filter::read(wanted.as_object().unwrap()).map_err(|fault| fault.code)
    }

    #[test]
    fn what_is_honoured_is_what_was_asked_for_and_is_known() {
        let wanted = json!({
            "toolsListChanged": true,
            "promptsListChanged": false,
            "resourceSubscriptions": ["a:b"],
            "somethingElse": true,
        });
        let filter = read(&wanted).unwrap();
        let honoured = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:b"]});
        assert_eq!(filter.honoured(), honoured);
        assert!(filter.wants(News::Tools) && filter.wants(News::Resource("a:b")));
        assert!(!filter.wants(News::Prompts) && !filter.wants(News::Resource("a:c")));
        assert_eq!(read(&json!({})).unwrap().honoured(), json!({}));
    }

    #[test]
    fn a_filter_of_the_wrong_shape_is_refused() {
        for wrong in [
            json!({"toolsListChanged": 1}),
            json!({"resourceSubscriptions": "a:b"}),
            json!({"taskIds": [1]}),
        ] {
            assert_eq!(read(&wrong), Err(INVALID_PARAMS), "{wrong}");
        }
    }
}
