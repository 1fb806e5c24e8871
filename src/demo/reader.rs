//! The reading thread: takes messages in, answers what can be answered at once, sends slow tools on their way.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::call::{Call, Outcome};
use super::server::Server;
use super::tools::{self, Pace, Tool};
use super::{DemoArgs, mischief, prompts, resources};
use crate::wire::fault::{
    Fault, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR,
};
use crate::wire::frame::{Body, Frame, Kind, Malformed};
use crate::wire::id::RawId;
use crate::wire::lines::{Line, Lines};
use crate::wire::meta::Params;
use crate::wire::method::Method;

const LINE_MAX: usize = 256 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// The client whose messages are read, one after the other.
struct Reader<'scope, 'env> {
    server: &'env Server,
    /// Where slow tools run; it ends when they have.
    scope: &'scope Scope<'scope, 'env>,
    log: Option<File>,
}

/// How a request is answered.
enum Route {
    Ping,
    Initialize,
    Call,
    Look(fn(&Server, &Value) -> Outcome),
    Unknown,
}

/// Serves one client until `input` ends.
pub fn serve(
    args: DemoArgs,
    mut input: impl Read,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let log = match &args.log {
        Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
        None => None,
    };
    let server = Server::new(args, output);
    server.overture();
    let ended = thread::scope(|scope| {
        let ended = Reader { server: &server, scope, log }.read(&mut input);
        server.over.store(true, Ordering::Relaxed);
        server.cancel_all();
        ended
    });
    server.last_words();
    ended
}

// === impl Reader ===

impl Reader<'_, '_> {
    fn read(mut self, input: &mut impl Read) -> io::Result<()> {
        let mut lines = Lines::new(LINE_MAX);
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match input.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            lines.space().extend_from_slice(&chunk[..count]);
            while let Some(line) = lines.next_line() {
                self.line(line)?;
            }
            if count == 0 {
                // Somebody typing, or `printf`, may leave out the last line end.
                return lines.end().map_or(Ok(()), |line| self.line(line));
            }
        }
    }

    fn line(&mut self, line: Line) -> io::Result<()> {
        let text = match line {
            Line::Whole(text) | Line::Cut(text) => text,
            Line::Overlong { length, .. } => {
                let why = format!("a line of {length} bytes is too long");
                self.server.voice.say(&Fault::new(INVALID_REQUEST, why).answer(None));
                return Ok(());
            }
        };
        if let Some(log) = &mut self.log {
            log.write_all(&[&text[..], b"\n"].concat())?;
        }
        if self.server.args.stderr_noise {
            // Nobody may be listening any more, and that is no reason to fail.
            drop(writeln!(io::stderr(), "[debug] got {} bytes", text.len()));
        }
        if !self.server.args.hang {
            self.body(text);
        }
        Ok(())
    }

    fn body(&self, text: Bytes) {
        let refuse = |malformed: Malformed| {
            let (code, id) = match &malformed {
                Malformed::NotUtf8 | Malformed::NotJson(_) => (PARSE_ERROR, None),
                Malformed::NotMessage { id, .. } => (INVALID_REQUEST, id.clone()),
                Malformed::TooLong => (INVALID_REQUEST, None),
            };
            self.server.voice.say(&Fault::new(code, malformed.to_string()).answer(id.as_ref()));
        };
        match Body::read(text) {
            Ok(Body::One(frame)) => self.frame(&frame),
            // A client may send several messages at once in the two oldest revisions.
            Ok(Body::Many(parts)) if !parts.is_empty() && self.server.version().batches() => {
                for part in parts {
                    match part {
                        Ok(frame) => self.frame(&frame),
                        Err(malformed) => refuse(malformed),
                    }
                }
            }
            Ok(Body::Many(_)) => {
                refuse(Malformed::NotMessage { id: None, why: "an array is not a message" });
            }
            Err(malformed) => refuse(malformed),
        }
    }

    fn frame(&self, frame: &Frame) {
        match (frame.kind(), frame.id()) {
            (Kind::Request, Some(id)) => self.request(frame, id),
            (Kind::Request | Kind::Notification, _) => self.notification(frame),
            (Kind::Result | Kind::Error, _) => self.server.answered(frame),
        }
    }

    fn request(&self, frame: &Frame, id: RawId) {
        let server = self.server;
        let is_greeted = server.is_greeted();
        let outcome = match (route(frame.method()), params(frame)) {
            (_, Err(fault)) => Err(fault),
            (Route::Ping, Ok(_)) => Ok(json!({})),
            (Route::Initialize, Ok(_)) if server.args.hang_initialize => return,
            (Route::Initialize, Ok(params)) => server.greet(&params),
            (Route::Unknown, Ok(_)) => {
                let name = frame.method_name();
                let message = format!("this server does not know the method {name}");
                Err(Fault::new(METHOD_NOT_FOUND, message))
            }
            (Route::Call | Route::Look(_), Ok(_)) if !is_greeted => Err(Fault::new(
                INVALID_REQUEST,
                "please send `initialize` first; before it only `ping` is answered",
            )),
            (Route::Look(look), Ok(params)) => look(server, &params),
            (Route::Call, Ok(params)) => return self.call(frame, id, &params),
        };
        server.answer(&id, outcome);
    }

    fn call(&self, frame: &Frame, id: RawId, params: &Value) {
        let server = self.server;
        let calls = server.count_call();
        if server.args.crash_after.is_some_and(|limit| calls > limit) {
            server.last_words();
            mischief::crash(server.args.crash_code);
        }
        let (tool, arguments) = match chosen(server, params) {
            Ok(chosen) => chosen,
            Err(fault) => return server.answer(&id, Err(fault)),
        };
        let token = Params::of(frame.payload()).meta().progress_token.map(RawValue::get);
        let token = token.filter(|raw| !raw.starts_with(['n', 't', 'f', '{', '[']));
        let token = token.map(str::to_owned);
        let call = Call { server, id, flight: Arc::default(), arguments, token };
        match tool.pace {
            Pace::Quick => server.answer(&call.id, (tool.act)(&call)),
            Pace::Slow if server.started(&call) => {
                self.scope.spawn(move || {
                    let outcome = (tool.act)(&call);
                    call.server.landed(&call, outcome);
                });
            }
            Pace::Slow => {
                let fault = Fault::new(INTERNAL_ERROR, "too many calls at once, try again later");
                server.answer(&call.id, Err(fault));
            }
        }
    }

    fn notification(&self, frame: &Frame) {
        let server = self.server;
        if frame.method() == Method::Cancelled {
            let params = Params::of(frame.payload());
            if let Some(id) = params.request_id {
                server.cancel(&RawId::new(id.get()));
            }
        }
        if frame.method() == Method::Initialized && server.args.stray_ask {
            let params = tools::sample_params("Is anybody there?");
            server.ask(None, "sampling/createMessage", &params);
        }
        if frame.method() == Method::Initialized && server.args.flood {
            self.scope.spawn(move || server.flood());
        }
    }
}

fn route(method: Method) -> Route {
    match method {
        Method::Ping => Route::Ping,
        Method::Initialize => Route::Initialize,
        Method::ToolsCall => Route::Call,
        Method::ToolsList => Route::Look(tools::list),
        Method::ResourcesList => Route::Look(resources::list),
        Method::ResourceTemplatesList => Route::Look(resources::templates),
        Method::ResourcesRead => Route::Look(|_, params| resources::read(params)),
        Method::ResourcesSubscribe => Route::Look(Server::subscribe),
        Method::ResourcesUnsubscribe => Route::Look(Server::unsubscribe),
        Method::PromptsList => Route::Look(prompts::list),
        Method::PromptsGet => Route::Look(|_, params| prompts::get(params)),
        Method::Complete => Route::Look(|_, params| prompts::complete(params)),
        Method::SetLevel => Route::Look(Server::set_level),
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
        | Method::CloseStream
        | Method::TasksNotice
        | Method::Other => Route::Unknown,
    }
}

/// The tool that the params name, and its arguments.
fn chosen(server: &Server, params: &Value) -> Result<(&'static Tool, Map<String, Value>), Fault> {
    let bad = |why: String| Fault::new(INVALID_PARAMS, why);
    let name =
        params["name"].as_str().ok_or_else(|| bad("\"name\" must be a string".to_owned()))?;
    let tool =
        tools::find(server, name).ok_or_else(|| bad(format!("there is no tool {name:?}")))?;
    match params.get("arguments") {
        None | Some(Value::Null) => Ok((tool, Map::new())),
        Some(Value::Object(arguments)) => Ok((tool, arguments.clone())),
        Some(_) => Err(bad("\"arguments\" must be an object".to_owned())),
    }
}

fn params(frame: &Frame) -> Result<Value, Fault> {
    match frame.payload() {
        None | Some("null") => Ok(json!({})),
        Some(text) if text.starts_with('{') => serde_json::from_str(text).map_err(|error| {
            Fault::new(INVALID_PARAMS, format!("\"params\" cannot be read: {error}"))
        }),
        Some(_) => Err(Fault::new(INVALID_PARAMS, "\"params\" must be an object")),
    }
}
