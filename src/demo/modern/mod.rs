//! The modern era: no handshake, no session. Each request carries an [`envelope`] that says who asks and in which
//! revision, and is answered from that alone.
//!
//! What the old era did by speaking to the client at any time has other ways here. A question to the client ends the
//! request; the client sends it again with its answers and a [`seal`]ed state, which is a [`rounds`]. What changes is
//! told to those who [`listen`]. Work that takes long may become a [task](super::tasks).

use serde_json::{Value, json};

use super::ask::Question;
use super::call::{Call, Front, Outcome};
use super::reader::Reader;
use super::server::Server;
use super::tools::Pace;
use super::{mischief, prompts, resources, tasks, tools};
use crate::wire::fault::{Fault, METHOD_NOT_FOUND};
use crate::wire::frame::Frame;
use crate::wire::id::RawId;
use crate::wire::method::Method;

mod discover;
mod envelope;
mod listen;
mod rounds;
mod seal;

pub use discover::Discovery;
pub(super) use envelope::{Envelope, incapable, is_enveloped, unsupported};
pub(super) use listen::{Listens, News};
pub(super) use rounds::Round;
pub(super) use seal::{Seal, random};

pub(super) const VERSION: &str = "2026-07-28";

/// The extension by which a call becomes a task.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// How long, and for whom, a client may keep a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    ttl_ms: u64,
    scope: &'static str,
}

/// The same for everybody, and announced when it changes.
const LISTED: Keep = Keep { ttl_ms: 60_000, scope: "public" };
const READ: Keep = Keep { ttl_ms: 0, scope: "private" };

/// How a request is answered.
enum Route {
    Discover,
    Call,
    Prompt,
    Read,
    Listen,
    List(fn(&Server, &Value) -> Outcome),
    Look(fn(&Server, &Value) -> Outcome),
    Task(fn(&Server, &Value) -> Outcome),
    Unknown,
}

// === impl Reader ===

impl<'env> Reader<'_, 'env> {
    pub(super) fn modern(&self, frame: &Frame, id: RawId, params: Value) {
        let server = self.server;
        let envelope = match Envelope::read(&params) {
            Ok(envelope) => envelope,
            Err(fault) => return server.answer(&id, Err(fault)),
        };
        let answer = |outcome, keep| server.answer(&id, dressed(server, outcome, keep));
        match route(frame.method()) {
            Route::List(_) if server.args.ask_on_list && frame.method() == Method::ToolsList => {
                let asked = json!({"resultType": "input_required", "inputRequests": {
                    "roots": Question::roots("roots").request(),
                }});
                answer(Ok(asked), None);
            }
            Route::List(_) if server.args.hang_list && frame.method() == Method::ToolsList => {}
            Route::List(list) => answer(list(server, &params), Some(LISTED)),
            Route::Look(look) => answer(look(server, &params), None),
            Route::Task(_) if !envelope.extends(TASKS) => {
                answer(Err(incapable(&json!({"extensions": {(TASKS): {}}}))), None);
            }
            Route::Task(act) => answer(act(server, &params), None),
            Route::Listen => {
                if let Err(fault) = server.listens.open(server, &id, &params, &envelope) {
                    answer(Err(fault), None);
                }
            }
            Route::Unknown => {
                let name = frame.method_name();
                let message = format!("this server does not know the method {name}");
                answer(Err(Fault::new(METHOD_NOT_FOUND, message)), None);
            }
            Route::Discover => {
                let call = self.round(frame, id, &params, envelope, Some(LISTED));
                if let Ok(call) = call {
                    self.discover(call);
                }
            }
            Route::Call => match self.round(frame, id, &params, envelope, None) {
                Ok(call) => self.call(call, &params),
                Err((id, fault)) => server.answer(&id, Err(fault)),
            },
            Route::Prompt => match self.round(frame, id, &params, envelope, None) {
                Ok(call) => self.run(call, Pace::Quick, move |call| prompts::get(call, &params)),
                Err((id, fault)) => server.answer(&id, Err(fault)),
            },
            Route::Read => match self.round(frame, id, &params, envelope, Some(READ)) {
                Ok(call) => self.run(call, Pace::Quick, move |call| resources::read(call, &params)),
                Err((id, fault)) => server.answer(&id, Err(fault)),
            },
        }
    }

    fn round(
        &self,
        frame: &Frame,
        id: RawId,
        params: &Value,
        envelope: Envelope,
        keep: Option<Keep>,
    ) -> Result<Call<'env>, (RawId, Fault)> {
        let server = self.server;
        match Round::begin(server, frame.method_name(), params, envelope, keep) {
            Ok(round) => Ok(Call::new(server, id, frame, Front::Modern(Box::new(round)))),
            Err(fault) => Err((id, fault)),
        }
    }

    fn discover(&self, call: Call<'env>) {
        if self.server.args.flood {
            let server = self.server;
            self.scope.spawn(move || server.flood());
        }
        let order = Discovery::next(self.server);
        if !order.is_modern() {
            self.server.era.reconsider();
        }
        match order {
            Discovery::Silence => {}
            Discovery::Exit => {
                self.server.last_words();
                mischief::crash(Some(1));
            }
            late @ Discovery::Late(_) => self.run(call, Pace::Slow, move |call| late.outcome(call)),
            at_once @ (Discovery::Proper
            | Discovery::Versions(_)
            | Discovery::Error(..)
            | Discovery::Nonsense) => {
                self.run(call, Pace::Quick, move |call| at_once.outcome(call));
            }
        }
    }
}

/// An outcome as it is sent: with what every result of this era carries.
pub(super) fn dressed(server: &Server, outcome: Outcome, keep: Option<Keep>) -> Outcome {
    let mut result = outcome?;
    if result.get("resultType").is_none() {
        if let Some(keep) = keep {
            result["ttlMs"] = keep.ttl_ms.into();
            result["cacheScope"] = keep.scope.into();
        }
        if !server.args.forget_result_type {
            result["resultType"] = "complete".into();
        }
    }
    result["_meta"][SERVER_KEY] = server.about();
    Ok(result)
}

fn route(method: Method) -> Route {
    match method {
        Method::Discover => Route::Discover,
        Method::ToolsCall => Route::Call,
        Method::PromptsGet => Route::Prompt,
        Method::ResourcesRead => Route::Read,
        Method::Listen => Route::Listen,
        Method::ToolsList => Route::List(tools::list),
        Method::ResourcesList => Route::List(resources::list),
        Method::ResourceTemplatesList => Route::List(resources::templates),
        Method::PromptsList => Route::List(prompts::list),
        Method::Complete => Route::Look(|_, params| prompts::complete(params)),
        Method::TasksGet => Route::Task(tasks::get),
        Method::TasksUpdate => Route::Task(tasks::update),
        Method::TasksCancel => Route::Task(tasks::cancel),
        Method::Ping
        | Method::Initialize
        | Method::Initialized
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe
        | Method::SetLevel
        | Method::Cancelled
        | Method::Progress
        | Method::ToolsListChanged
        | Method::ResourcesUpdated
        | Method::ResourcesListChanged
        | Method::PromptsListChanged
        | Method::LogMessage
        | Method::Sample
        | Method::Elicit
        | Method::ElicitComplete
        | Method::RootsList
        | Method::RootsListChanged
        | Method::ListenAcknowledged
        | Method::TasksResult
        | Method::TasksList
        | Method::TasksStatus
        | Method::TasksNotice
        | Method::CloseStream
        | Method::Other => Route::Unknown,
    }
}
