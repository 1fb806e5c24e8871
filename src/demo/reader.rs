//! The reading thread: takes messages in, answers what can be answered at once, sends slow tools on their way.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::ask::sample_params;
use super::call::{Call, Outcome};
use super::era::Spoken;
use super::server::Server;
use super::tools::{self, Pace, Tool};
use super::{DemoArgs, mischief};
use crate::wire::fault::{
    Fault, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR,
};
use crate::wire::frame::{Body, Frame, Kind, Malformed};
use crate::wire::id::RawId;
use crate::wire::lines::{Line, Lines};
use crate::wire::method::Method;

const LINE_MAX: usize = 256 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// The client whose messages are read, one after the other.
pub(super) struct Reader<'scope, 'env> {
    pub(super) server: &'env Server,
    /// Where slow tools run; it ends when they have.
    pub(super) scope: &'scope Scope<'scope, 'env>,
    log: Option<File>,
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
        server.listens.end_all(&server);
        server.cancel_all();
        ended
    });
    server.last_words();
    ended
}

// === impl Reader ===

impl<'scope, 'env> Reader<'scope, 'env> {
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
            Ok(Body::Many(parts)) if !parts.is_empty() && self.server.batches() => {
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
        let is_greeting = frame.method() == Method::Initialize;
        if server.args.exit_before_initialize && !server.is_greeted() && !is_greeting {
            server.last_words();
            mischief::crash(Some(1));
        }
        let params = match params(frame) {
            Ok(params) => params,
            Err(fault) => return server.answer(&id, Err(fault)),
        };
        match server.era.of_request(frame.method(), &params) {
            Ok(Spoken::Legacy) => self.legacy(frame, id, params),
            Ok(Spoken::Modern) => self.modern(frame, id, params),
            Err(fault) => server.answer(&id, Err(fault)),
        }
    }

    /// Calls the tool that the params name.
    pub(super) fn call(&self, mut call: Call<'env>, params: &Value) {
        let server = self.server;
        let calls = server.count_call();
        if server.args.crash_after.is_some_and(|limit| calls > limit) {
            server.last_words();
            mischief::crash(server.args.crash_code);
        }
        match chosen(&call, params) {
            Ok((tool, arguments)) => {
                call.arguments = arguments;
                self.run(call, tool.pace, tool.act);
            }
            Err(fault) => server.answer(&call.id, Err(fault)),
        }
    }

    /// Does what a request asks for, here or on a thread of its own, and answers it.
    pub(super) fn run(
        &self,
        call: Call<'env>,
        pace: Pace,
        act: impl FnOnce(&Call<'_>) -> Outcome + Send + 'scope,
    ) {
        match pace {
            Pace::Quick => {
                let outcome = act(&call);
                call.server.landed(&call, outcome);
            }
            Pace::Slow if self.server.started(&call) => {
                self.scope.spawn(move || {
                    let outcome = act(&call);
                    call.server.landed(&call, outcome);
                });
            }
            Pace::Slow => {
                let fault = Fault::new(INTERNAL_ERROR, "too many calls at once, try again later");
                self.server.answer(&call.id, Err(fault));
            }
        }
    }

    fn notification(&self, frame: &Frame) {
        let server = self.server;
        if frame.method() == Method::Cancelled {
            let params = frame.params();
            if let Some(id) = params.request_id {
                let id = RawId::new(id.get());
                server.cancel(&id);
                server.listens.close(&id);
            }
        }
        if frame.method() == Method::Initialized && server.args.stray_ask {
            server.ask(None, "sampling/createMessage", &sample_params("Is anybody there?"));
        }
        if frame.method() == Method::Initialized && server.args.flood {
            self.scope.spawn(move || server.flood());
        }
    }
}

/// The tool that the params name, and its arguments.
fn chosen(call: &Call<'_>, params: &Value) -> Result<(&'static Tool, Map<String, Value>), Fault> {
    let bad = |why: String| Fault::new(INVALID_PARAMS, why);
    let name =
        params["name"].as_str().ok_or_else(|| bad("\"name\" must be a string".to_owned()))?;
    let tool =
        tools::find(call.server, name).ok_or_else(|| bad(format!("there is no tool {name:?}")))?;
    if call.wanted_task.is_some() && !tool.can_be_task() {
        return Err(Fault::new(METHOD_NOT_FOUND, format!("the tool {name:?} cannot be a task")));
    }
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
