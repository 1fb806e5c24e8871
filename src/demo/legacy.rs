//! The old era: a client greets the server first, and the two then know each other until the end.

use serde_json::{Value, json};

use super::call::{Call, Front, Outcome};
use super::reader::Reader;
use super::server::Server;
use super::tools::Pace;
use super::{prompts, resources, tasks, tools};
use crate::wire::fault::{Fault, INVALID_REQUEST, METHOD_NOT_FOUND};
use crate::wire::frame::Frame;
use crate::wire::id::RawId;
use crate::wire::method::Method;

/// How a request is answered.
enum Route {
    Ping,
    Initialize,
    Call,
    Prompt,
    Read,
    TaskOutcome,
    Look(fn(&Server, &Value) -> Outcome),
    Unknown,
}

// === impl Reader ===

impl Reader<'_, '_> {
    pub(super) fn legacy(&self, frame: &Frame, id: RawId, params: Value) {
        let server = self.server;
        let outcome = match route(server, frame.method()) {
            Route::Ping => Ok(json!({})),
            Route::Initialize if server.args.hang_initialize => return,
            Route::Look(_) if server.args.hang_list && frame.method() == Method::ToolsList => {
                return;
            }
            Route::Initialize => server.greet(&params),
            Route::Unknown => {
                let name = frame.method_name();
                let message = format!("this server does not know the method {name}");
                Err(Fault::new(METHOD_NOT_FOUND, message))
            }
            _ if !server.is_greeted() => Err(Fault::new(
                INVALID_REQUEST,
                "please send `initialize` first; before it only `ping` is answered",
            )),
            Route::Look(look) => look(server, &params),
            Route::Call => {
                let mut call = Call::new(server, id, frame, Front::Legacy);
                let is_task = server.args.legacy_tasks && params["task"].is_object();
                call.wanted_task = is_task.then(|| params["task"].clone());
                return self.call(call, &params);
            }
            Route::Prompt => {
                let call = Call::new(server, id, frame, Front::Legacy);
                let pace = prompts::pace(&params);
                return self.run(call, pace, move |call| prompts::get(call, &params));
            }
            Route::Read => {
                let call = Call::new(server, id, frame, Front::Legacy);
                let pace = resources::pace(&params);
                return self.run(call, pace, move |call| resources::read(call, &params));
            }
            Route::TaskOutcome => {
                let call = Call::new(server, id, frame, Front::Legacy);
                return self.run(call, Pace::Slow, move |call| tasks::outcome(call, &params));
            }
        };
        server.answer(&id, outcome);
    }
}

fn route(server: &Server, method: Method) -> Route {
    match method {
        Method::Ping => Route::Ping,
        Method::Initialize => Route::Initialize,
        Method::ToolsCall => Route::Call,
        Method::ToolsList => Route::Look(tools::list),
        Method::ResourcesList => Route::Look(resources::list),
        Method::ResourceTemplatesList => Route::Look(resources::templates),
        Method::ResourcesRead => Route::Read,
        Method::ResourcesSubscribe => Route::Look(Server::subscribe),
        Method::ResourcesUnsubscribe => Route::Look(Server::unsubscribe),
        Method::PromptsList => Route::Look(prompts::list),
        Method::PromptsGet => Route::Prompt,
        Method::Complete => Route::Look(|_, params| prompts::complete(params)),
        Method::SetLevel => Route::Look(Server::set_level),
        Method::TasksGet if server.args.legacy_tasks => Route::Look(tasks::get_legacy),
        Method::TasksList if server.args.legacy_tasks => Route::Look(tasks::list),
        Method::TasksCancel if server.args.legacy_tasks => Route::Look(tasks::cancel_legacy),
        Method::TasksResult if server.args.legacy_tasks => Route::TaskOutcome,
        Method::Initialized
        | Method::Discover
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
        | Method::Listen
        | Method::ListenAcknowledged
        | Method::TasksGet
        | Method::TasksResult
        | Method::TasksList
        | Method::TasksCancel
        | Method::TasksUpdate
        | Method::TasksStatus
        | Method::TasksNotice
        | Method::CloseStream
        | Method::Other => Route::Unknown,
    }
}
