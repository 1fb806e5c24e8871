//! Where messages change between the eras: requests on their way to the child, answers on their way back. Which members change
//! is for [`translate`](crate::bridge::translate) to know; equal eras do not come here but to look for questions.

use bytes::Bytes;
use memchr::memmem;

use super::{Child, Switchboard};
use crate::bridge::ask;
use crate::bridge::call::{Call, Offer};
use crate::bridge::front::FrontCard;
use crate::bridge::outlet::{Asks, Outlet};
use crate::bridge::refusal::Refusal;
use crate::bridge::ticket::Ticket;
use crate::bridge::translate::edits::Edits;
use crate::bridge::translate::errors::{ForLegacy, ForModern};
use crate::bridge::translate::legacy_to_modern::{Addition, Envelope, ResultType};
use crate::bridge::translate::modern_to_legacy::{Hints, Stamp};
use crate::bridge::translate::{
    capabilities, errors, legacy_to_modern, modern_to_legacy, rounds, wrap,
};
use crate::bridge::turn::Outcome;
use crate::config::model::LegacyOutput;
use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::CallId;
use crate::wire::ink::Ink;
use crate::wire::meta::{self, Meta, ResultView};
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::splice::{Patch, Span};
use crate::wire::text::Text;
use crate::wire::version::{Era, Version};

/// What an answer of the child comes to.
pub(super) enum Upshot {
    /// The answer of the call.
    Final(Text, Outcome),
    /// The client is asked something by the answer to its call.
    Asks(Asks),
    /// The client is asked something by requests, and the call is sent again with the answers.
    Loops,
    /// The rest of it is a task.
    Task,
    /// The rest of it is a task, and its client knows none.
    Absorbed,
    /// The child makes no task of it, and is asked again for none.
    Plain,
    /// A task is over, and the child is asked what came of it.
    Fetch,
    /// The child did what it must not.
    Refused(Refusal),
}

/// The era of a client, and that of its child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub client: Era,
    pub child: Era,
}

impl<R: Outlet> Switchboard<R> {
    pub(super) fn cell(&self, call: &Call<R>) -> Cell {
        let child = self.abilities().map_or(Era::Legacy, |child| child.era);
        Cell { client: call.card().version.era(), child }
    }

    /// A request as the child is to read it: under a number of ours, and in the words of its era. `round` holds the answers to what
    /// the child asked before.
    pub(super) fn outgoing(
        &mut self,
        id: CallId,
        request: &Frame,
        digits: &[u8],
        round: &str,
    ) -> Result<Bytes, Refusal> {
        self.prepare_envelope(id);
        self.offer_task(id);
        let Some(call) = self.calls.get(&id) else { return Err(Refusal::Cancelled) };
        let mut edits = Edits::new();
        edits.push(request.id_span().expect("requests have ids"), digits);
        let token = call.token_at.map(|_| digits);
        match self.cell(call) {
            Cell { client: Era::Modern, child: Era::Legacy } => {
                modern_to_legacy::request(request, call.noted, token, &mut edits);
                self.rename_for_child(call, request, &mut edits);
                if call.offer == Offer::Made
                    && let Some(params) = request.payload_span()
                {
                    // An envelope stands there, so it is not the only member.
                    edits.push(params.inside(), super::bridging::OFFER.as_bytes());
                }
            }
            Cell { client: Era::Legacy, child: Era::Modern } => {
                let front = call.front().and_then(|front| self.fronts.get(&front));
                let envelope = self.envelope_of(call);
                // Not all that write log messages say that they do, and with a handshake nobody had to ask for them.
                let level =
                    front.map(|front| front.level.unwrap_or(super::notices::DEFAULT_LEVEL).name());
                let add = Addition { envelope, level, token, round };
                legacy_to_modern::request(request, call.noted, &add, &mut edits)
                    .map_err(|_| Refusal::BadParams("they must be an object"))?;
            }
            _ => {
                if let Some(at) = call.token_at {
                    edits.push(at, digits);
                }
                self.rename_for_child(call, request, &mut edits);
            }
        }
        Ok(edits.splice(request))
    }

    /// Makes what a session says of itself with each request, once.
    fn prepare_envelope(&mut self, id: CallId) {
        let is_child_modern =
            matches!(&self.child, Child::Ready { abilities, .. } if abilities.era == Era::Modern);
        if !is_child_modern {
            return;
        }
        let bridges_tasks = self.bridges_tasks();
        let front = self.calls.get(&id).and_then(|call| call.front());
        if let Some(front) = front.and_then(|front| self.fronts.get_mut(&front)) {
            let hello = &front.card.hello;
            front.envelope.get_or_insert_with(|| {
                let mut capabilities = capabilities::to_modern_child(&hello.capabilities);
                if bridges_tasks {
                    capabilities = capabilities::with_tasks(&capabilities).into_owned().into();
                }
                Box::new(Envelope::new(Version::MODERN, &capabilities, &hello.client_info))
            });
        }
    }

    /// An answer of the child as the client of a call is to read it.
    pub(super) fn incoming(&self, call: &Call<R>, frame: &Frame, ink: &mut Ink) -> Upshot {
        match self.cell(call) {
            Cell { client: Era::Legacy, child: Era::Legacy } => {
                Upshot::Final(self.for_client(call, frame, ink), super::lines::outcome(frame))
            }
            Cell { client: Era::Modern, child: Era::Modern } => self.in_modern(call, frame),
            Cell { client: Era::Modern, child: Era::Legacy } => self.to_modern(call, frame),
            Cell { client: Era::Legacy, child: Era::Modern } => self.to_legacy(call, frame),
        }
    }

    /// Between a client and a child without a handshake.
    fn in_modern(&self, call: &Call<R>, frame: &Frame) -> Upshot {
        let mut edits = Edits::new();
        edits.push(at_id(frame), call.client_id.as_bytes());
        if frame.kind() == Kind::Error {
            let code = super::lines::error_code(frame);
            if super::tasking::is_unknown(call, frame) {
                return Upshot::Refused(Refusal::TaskUnknown);
            }
            // Whatever the child speaks, its client has been told by us what is spoken here.
            if code == fault::UNSUPPORTED_VERSION {
                let server = self.limits.server.clone();
                let why = "it refuses the revision it said it speaks";
                return Upshot::Refused(Refusal::ChildErred { server, why });
            }
            return Upshot::Final(edits.pieced(frame), Outcome::Error(code));
        }
        let result = frame.payload().unwrap_or_default();
        if call.method == Method::Listen {
            restamp(call, frame, &mut edits);
        } else if let Some(task) = call.task {
            if let Err(why) = super::tasking::rename_for_client(call, task, frame, &mut edits) {
                return Upshot::Refused(why);
            }
        } else if may_be_unfinished(result) {
            let view = ResultView::of(Some(result));
            match view.result_type.and_then(|kind| raw::string(kind.get())).as_deref() {
                Some("input_required") => return self.asks_of_modern(call, frame, &view),
                Some("task") => return Upshot::Task,
                Some("complete") | None => {}
                Some(_) if call.card().hello.capabilities.contains("\"extensions\"") => {}
                Some(_) => {
                    let server = self.limits.server.clone();
                    let why = "its resultType is none that its client knows";
                    return Upshot::Refused(Refusal::ChildErred { server, why });
                }
            }
        }
        complete(frame, &mut edits);
        self.hide_tools(call, frame, &mut edits);
        Upshot::Final(edits.pieced(frame), Outcome::Result)
    }

    /// A child without a handshake asks a client without one: its questions pass, and its state goes under our seal.
    fn asks_of_modern(&self, call: &Call<R>, frame: &Frame, view: &ResultView<'_>) -> Upshot {
        let server = || self.limits.server.clone();
        if !call.method.may_ask() {
            let why = "it asks for input where none may be asked for";
            return Upshot::Refused(Refusal::ChildErred { server: server(), why });
        }
        let asked = match rounds::read(frame.payload().unwrap_or_default()) {
            Ok(asked) => asked,
            Err(why) => return Upshot::Refused(Refusal::ChildErred { server: server(), why }),
        };
        if let Some(lacks) = undeclared(&asked.entries, call.card()) {
            return Upshot::Refused(Refusal::CapabilityRequired(lacks.into()));
        }
        let id = Patch { at: at_id(frame), with: call.client_id.as_bytes() };
        let (state, member) = match view.request_state {
            Some(leaf) => (meta::place(leaf, frame.text()), "\"\""),
            None => {
                (frame.payload_span().expect("it has a result").inside(), "\"requestState\":\"\",")
            }
        };
        let state = Patch { at: state, with: member.as_bytes() };
        let (text, hole) = if state.at.start < id.at.start {
            (frame.splice(&[state, id]), state.at.start)
        } else {
            let id_len = u32::try_from(id.with.len()).expect("ids are short");
            (frame.splice(&[id, state]), state.at.start + id_len - (id.at.end - id.at.start))
        };
        let quote = u32::try_from(member.find("\"\"").expect("it ends in an empty string"))
            .expect("it is short");
        let hole = Span { start: hole + quote + 1, end: hole + quote + 1 };
        let ticket = Ticket::Child { state: view.request_state.map(|state| state.get().into()) };
        Upshot::Asks(Asks { id: call.client_id.clone(), text, hole, ticket })
    }

    /// From a child with a handshake to a client without one.
    fn to_modern(&self, call: &Call<R>, frame: &Frame) -> Upshot {
        let Child::Ready { stamp, .. } = &self.child else {
            return Upshot::Refused(Refusal::Cancelled);
        };
        if let Some(answered) = self.bridged(call, frame, stamp) {
            return answered;
        }
        let mut edits = Edits::new();
        edits.push(at_id(frame), call.client_id.as_bytes());
        if frame.kind() == Kind::Error {
            let params = call.request.as_ref().map(Frame::params).unwrap_or_default();
            let uri = params.uri.map(raw::Raw::get);
            let visits =
                call.method.may_ask() && capabilities::visits_urls(&call.card().hello.capabilities);
            return match errors::for_modern(frame, uri, visits, &mut edits) {
                ForModern::Error(code) => {
                    let code = i32::try_from(code).unwrap_or(fault::INTERNAL_ERROR);
                    Upshot::Final(edits.pieced(frame), Outcome::Error(code))
                }
                ForModern::Visit(pages) => {
                    Upshot::Asks(asking(call, &rounds::ask(&pages, stamp), Ticket::Visited))
                }
            };
        }
        modern_to_legacy::result(frame, call.method, stamp, &mut edits);
        self.hide_tools(call, frame, &mut edits);
        Upshot::Final(edits.pieced(frame), Outcome::Result)
    }

    /// A complete result that was remembered, as the client of a call is to read it.
    pub(super) fn as_said(&self, call: &Call<R>, frame: &Frame) -> Bytes {
        let Some(child) = self.known_abilities() else { return frame.text().clone() };
        let stamp = Stamp::new(Some(&child.server_info), Hints::default());
        let mut edits = Edits::new();
        match (call.card().version.era(), child.era) {
            (Era::Legacy, Era::Legacy) => {}
            (Era::Modern, Era::Modern) => complete(frame, &mut edits),
            (Era::Modern, Era::Legacy) => {
                modern_to_legacy::result(frame, call.method, &stamp, &mut edits);
            }
            (Era::Legacy, Era::Modern) => {
                legacy_to_modern::result(frame, &mut edits);
            }
        }
        self.hide_tools(call, frame, &mut edits);
        let text = edits.splice(frame);
        if call.is_modern() || child.era == Era::Legacy {
            return text;
        }
        self.wrapped(call.method, text)
    }

    /// From a child without a handshake to a client with one.
    pub(super) fn to_legacy(&self, call: &Call<R>, frame: &Frame) -> Upshot {
        let mut edits = Edits::new();
        edits.push(at_id(frame), call.client_id.as_bytes());
        if frame.kind() == Kind::Error {
            return match errors::for_legacy(frame, call.method, &mut edits) {
                ForLegacy::Error(code) => {
                    let code = i32::try_from(code).unwrap_or(fault::INTERNAL_ERROR);
                    Upshot::Final(edits.pieced(frame), Outcome::Error(code))
                }
                ForLegacy::Result(result) => {
                    Upshot::Final(fault::result(&call.client_id, &result).into(), Outcome::Result)
                }
            };
        }
        match legacy_to_modern::result(frame, &mut edits) {
            ResultType::Complete => {
                self.hide_tools(call, frame, &mut edits);
                let text = self.wrapped(call.method, edits.splice(frame));
                Upshot::Final(text.into(), Outcome::Result)
            }
            ResultType::InputRequired => Upshot::Loops,
            ResultType::Task if self.bridges_tasks() && call.method == Method::ToolsCall => {
                Upshot::Absorbed
            }
            ResultType::Task | ResultType::Unknown => {
                let server = self.limits.server.clone();
                let why = "unsupported result type";
                Upshot::Refused(Refusal::ChildErred { server, why })
            }
        }
    }

    /// Output that is no object, made into one where that is wished for.
    fn wrapped(&self, method: Method, text: Bytes) -> Bytes {
        let wrap: fn(&Frame, &mut Edits<'_>) = match (self.limits.legacy_output, method) {
            (LegacyOutput::Wrap, Method::ToolsList) => wrap::schemas,
            (LegacyOutput::Wrap, Method::ToolsCall) => wrap::output,
            _ => return text,
        };
        let Ok(frame) = Frame::skim(text.clone()) else { return text };
        let mut edits = Edits::new();
        wrap(&frame, &mut edits);
        edits.splice(&frame)
    }

    /// Takes the tools out of a list that policy hides.
    fn hide_tools(&self, call: &Call<R>, frame: &Frame, edits: &mut Edits<'_>) {
        if call.method != Method::ToolsList || self.limits.tools.is_open() {
            return;
        }
        let (Some(result), Some(at)) = (frame.payload(), frame.payload_span()) else { return };
        if let Some((tools, trimmed)) = self.limits.tools.trim(result) {
            edits.push(tools.moved(at.start), trimmed.into_bytes());
        }
    }
}

/// A result that asks these questions, for the client of a call.
pub(super) fn asking<R>(call: &Call<R>, asked: &rounds::Asked, ticket: Ticket) -> Asks {
    let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, call.client_id.as_str());
    let before = u32::try_from(head.len()).expect("ids are short");
    let hole = Span { start: asked.state.start + before, end: asked.state.end + before };
    Asks {
        id: call.client_id.clone(),
        text: format!("{head}{}}}", asked.text).into(),
        hole,
        ticket,
    }
}

/// The capabilities that a client would have had to declare to be asked this; `None` if it did.
pub(super) fn undeclared(entries: &[rounds::Entry<'_>], card: &FrontCard) -> Option<&'static str> {
    entries.iter().find_map(|entry| {
        let kind = ask::kind(entry.method)?;
        if !card.declared.contains(kind) {
            return Some(ask::required(kind));
        }
        let visits = || capabilities::visits_urls(&card.hello.capabilities);
        (entry.is_page() && !visits()).then_some(r#"{"elicitation":{"url":{}}}"#)
    })
}

/// Whether the client of this card may be asked this.
pub(super) fn is_declared(method: Method, params: Option<&str>, card: &FrontCard) -> bool {
    undeclared(&[rounds::Entry { key: "\"\"", method, params }], card).is_none()
}

/// Says of a result that it is complete, where its child has forgotten to.
fn complete(frame: &Frame, edits: &mut Edits<'_>) {
    let result = frame.payload().unwrap_or_default();
    if !has_result_type(result) && result.starts_with('{') {
        let at = frame.payload_span().expect("it has a result").inside();
        let comma = if result[1..].trim_start().starts_with('}') { "" } else { "," };
        edits.push(at, format!("\"resultType\":\"complete\"{comma}").into_bytes());
    }
}

/// The id of a stream in its last answer.
fn restamp<'a, R>(call: &'a Call<R>, frame: &Frame, edits: &mut Edits<'a>) {
    let view = ResultView::of(frame.payload());
    if let Some(leaf) = Meta::of(view.meta).subscription_id {
        edits.push(meta::place(leaf, frame.text()), call.client_id.as_bytes());
    }
}

/// Whether a result may be something else than complete. A word of that kind is looked for; one that is written with escapes
/// is looked for by opening the result.
fn may_be_unfinished(result: &str) -> bool {
    (has_result_type(result) && memmem::find(result.as_bytes(), b"\"complete\"").is_none())
        || memmem::find(result.as_bytes(), b"\"input_required\"").is_some()
        || memmem::find(result.as_bytes(), b"\"task\"").is_some()
        || memmem::find(result.as_bytes(), b"\\u").is_some()
}

fn has_result_type(result: &str) -> bool {
    memmem::find(result.as_bytes(), b"\"resultType\"").is_some()
}

fn at_id(frame: &Frame) -> Span {
    frame.id_span().expect("it was found by its id")
}
