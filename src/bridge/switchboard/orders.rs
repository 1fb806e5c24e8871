//! What clients want: sessions, calls, notifications, streams, goodbyes.

use std::time::Duration;

use super::{Child, Switchboard, Tenancy};
use crate::bridge::call::{Call, Caller, Offer, Path, Reach, Stage};
use crate::bridge::front::{Level, Vanish, Who};
use crate::bridge::greeting::Greeting;
use crate::bridge::outlet::{Event, Outlet, Weight};
use crate::bridge::queue::Party;
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::translate::Noted;
use crate::bridge::turn::{Dropped, Outcome, Turn};
use crate::wire::fault;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, EventId, Flight, FrontId, RawId};
use crate::wire::little::Little;
use crate::wire::meta::{self, Meta, Params};
use crate::wire::method::{Method, NoteRoute, RequestRoute, Subject};
use crate::wire::raw;
use crate::wire::version::Era;

/// What a client wants.
#[derive(Debug)]
pub enum Order<R> {
    /// A request. `call` has never been used on this switchboard before.
    Call { call: CallId, caller: Caller, request: Frame, reach: Reach<R> },
    /// The request of a call that was answered with questions comes again, with answers to that round.
    Retry {
        call: CallId,
        caller: Caller,
        request: Frame,
        reach: Reach<R>,
        suspended: CallId,
        round: u32,
    },
    /// A notification.
    Notify { front: FrontId, note: Frame },
    /// The response to an ask.
    Answer { front: FrontId, answer: Frame },
    /// A standing stream.
    Listen { call: CallId, who: Who, outlet: R, vanish: Vanish },
    /// A lost stream is taken up again.
    Attach { call: CallId, who: Who, after: EventId, outlet: R },
    /// The reader of a call's answer or of a standing stream has gone, after all of it (`finished`) or before.
    Goodbye { call: CallId, finished: bool },
    /// A session ends.
    Close { front: FrontId },
}

/// How long a client waits for what a server is.
const DISCOVERED_WITHIN: Duration = Duration::from_secs(5);

/// Why a level is none.
const BAD_LEVEL: &str =
    "a log level must be one of debug, info, notice, warning, error, critical, alert, emergency";

impl<R: Outlet> Switchboard<R> {
    /// Takes what a client wants.
    pub fn order(&mut self, order: Order<R>, turn: &mut Turn) {
        match order {
            Order::Call { call, caller, request, reach } => {
                self.call(call, caller, request, reach, turn);
            }
            Order::Retry { call, caller, request, reach, suspended, round } => {
                self.retry((call, caller, request, reach), (suspended, round), turn);
            }
            Order::Notify { front, note } => self.notified(front, &note, turn),
            Order::Answer { front, answer } => self.answered(front, &answer, turn),
            Order::Listen { call, who, outlet, vanish } => {
                self.listen(call, &who, outlet, vanish, turn);
            }
            Order::Attach { call, who, after, outlet } => {
                self.attach(call, &who, after, outlet, turn);
            }
            Order::Goodbye { call, finished } => self.goodbye(call, finished, turn),
            Order::Close { front } => self.close(front, turn),
        }
        self.bury(turn);
    }

    fn call(
        &mut self,
        id: CallId,
        caller: Caller,
        request: Frame,
        reach: Reach<R>,
        turn: &mut Turn,
    ) {
        let Some(client_id) = request.id() else { return };
        let calls_max = self.limits.calls_per_front;
        let front = match &caller {
            Caller::Implicit(card) => {
                self.parties.add(&card.principal);
                None
            }
            Caller::Front(who) => match self.enter(who) {
                Err(why) => return self.turn_away(None, reach, &client_id, why, turn),
                Ok(front) if front.calls.len() >= calls_max => {
                    let why = self.busy("this session has too many calls open");
                    return self.turn_away(Some(who.front), reach, &client_id, why, turn);
                }
                Ok(front) if front.call_of(&client_id).is_some() => {
                    let why = Refusal::DuplicateId;
                    return self.turn_away(Some(who.front), reach, &client_id, why, turn);
                }
                Ok(_) => Some(who.front),
            },
        };
        let bytes = request.text().len();
        if self.waiting.is_full_for(bytes, self.limits.waiting_bytes_max) {
            let why = self.busy("too many bytes of requests wait for it");
            return self.turn_away(front, reach, &client_id, why, turn);
        }
        let Some((params, meta)) = request.unambiguous() else {
            let why = "a member that says what is wanted stands twice in params";
            return self.turn_away(front, reach, &client_id, Refusal::BadParams(why), turn);
        };
        let level = match wanted_level(&caller, &meta) {
            Ok(level) => level,
            Err(why) => return self.turn_away(front, reach, &client_id, why, turn),
        };
        let absent = matches!(self.child, Child::Absent { .. });
        let wait = match (absent, request.method()) {
            // It is how clients find out what they speak to, and they do not wait long for that.
            (true, Method::Discover) => self.patience(turn.now).min(DISCOVERED_WITHIN),
            (true, _) => self.patience(turn.now),
            (false, _) => self.limits.request_timeout,
        };
        let path = match reach {
            Reach::Standing => Path::Standing,
            Reach::Own { outlet, streams } => Path::Own {
                outlet: Some(outlet),
                streams,
                open: false,
                stream: self.stream_of(id, false),
                reader: id,
            },
        };
        let question = self.question(&request);
        let call = Box::new(Call {
            client_id: client_id.clone(),
            method: request.method(),
            token: None,
            token_at: meta.token().map(|raw| meta::place(raw, request.text())),
            noted: Noted::of(&request, &params),
            rounds: None,
            task: None,
            absorbed: None,
            offer: Offer::None,
            fetched: None,
            wants_task: params.task.is_some(),
            path,
            state: Stage::Waiting,
            name: name_of(&request, &params),
            level,
            works: question.is_none()
                && !matches!(
                    request.method(),
                    Method::Initialize | Method::Discover | Method::Listen
                ),
            question,
            request: Some(request),
            repeated: false,
            flight: Flight::default(),
            recalled: false,
            started: turn.now,
            deadline: turn.now + wait,
            vanished: None,
            progress: f64::NEG_INFINITY,
            behind: None,
            caller,
        });
        if let Some(front) = call.front().and_then(|front| self.fronts.get_mut(&front)) {
            front.calls.push((client_id, id));
        }
        self.timers.set(call.deadline, Due::Deadline(id));
        if call.may_commit() {
            self.timers.set(turn.now + self.limits.commit_after, Due::Commit(id));
        }
        let method = call.method;
        let is_known = method.is_asked_in(call.card().version.era());
        let is_gone =
            matches!(&call.path, Path::Own { outlet: Some(outlet), .. } if outlet.is_gone());
        let party = Party::of(&call.caller);
        self.working += usize::from(call.works);
        self.calls.insert(id, call);
        if is_gone {
            self.goodbye(id, false, turn);
            if !self.calls.contains_key(&id) {
                return;
            }
        }

        // Some requests are the bridge's own to answer, child or no child.
        if !is_known {
            return self.refuse(id, Refusal::MethodUnknown(method.name().into()), turn);
        }
        match (method.as_request(), &self.child) {
            (RequestRoute::Ping, _) => self.settle_empty(id, turn),
            (_, Child::Absent { hopeless: Some(why), .. }) => {
                let refusal = self.no_child(why);
                self.refuse(id, refusal, turn);
            }
            // A newcomer is not made to wait for the calls of others.
            (RequestRoute::Initialize, Child::Ready { .. }) => self.initialize(id, turn),
            (RequestRoute::Discover, Child::Ready { .. })
                if self.is_introduction_fresh(turn.now) =>
            {
                self.introduce(id, turn);
            }
            (_, Child::Absent { .. }) => {
                self.waiting.push(id, party, bytes);
                self.answer_for_child(id, turn);
            }
            _ if self.is_next(method) => self.dispatch(id, turn),
            _ => self.waiting.push(id, party, bytes),
        }
    }

    /// Answers the handshakes that waited for a child.
    pub(super) fn welcome(&mut self, turn: &mut Turn) {
        let is_one =
            |id: &CallId| self.calls.get(id).is_some_and(|call| call.method == Method::Initialize);
        let newcomers: Vec<CallId> = self.waiting.iter().filter(is_one).collect();
        for id in newcomers {
            self.initialize(id, turn);
        }
    }

    pub(super) fn busy(&self, what: &'static str) -> Refusal {
        Refusal::Busy { server: self.limits.server.clone(), what }
    }

    /// Says no to a request before it became a call.
    #[cold]
    pub(super) fn turn_away(
        &mut self,
        front: Option<FrontId>,
        reach: Reach<R>,
        id: &RawId,
        why: Refusal,
        turn: &mut Turn,
    ) {
        match reach {
            Reach::Own { outlet, .. } => {
                let _ = outlet.offer(Event::Refuse { why, id: Some(id.clone()) }, Weight::Needed);
            }
            Reach::Standing => {
                let text = why.fault().answer(Some(id));
                if let Some(front) = front {
                    self.tell_front(front, &text, Weight::Needed, turn);
                }
            }
        }
    }

    pub(super) fn initialize(&mut self, id: CallId, turn: &mut Turn) {
        let (Some(call), Some(abilities)) = (self.calls.get(&id), self.known_abilities()) else {
            return;
        };
        let card = call.card();
        let text = abilities.answer(&call.client_id, card.version, card.hears);
        self.settle(id, text, Outcome::Result, turn);
    }

    /// Answers a client without a handshake, who asks what the server is.
    pub(super) fn introduce(&mut self, id: CallId, turn: &mut Turn) {
        let (Some(call), Some(abilities)) = (self.calls.get(&id), self.known_abilities()) else {
            return;
        };
        let text = fault::result(&call.client_id, abilities.discovery(self.limits.tasks));
        self.settle(id, text, Outcome::Result, turn);
    }

    pub(super) fn settle_empty(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let text = fault::result(&call.client_id, "{}");
        self.settle(id, text, Outcome::Result, turn);
    }

    pub(super) fn set_level(&mut self, id: CallId, params: &Params<'_>, turn: &mut Turn) {
        let (Some(call), Some(abilities)) = (self.calls.get(&id), self.known_abilities()) else {
            return;
        };
        if !abilities.logging {
            return self.refuse(id, Refusal::MethodUnknown("logging/setLevel".into()), turn);
        }
        let name = params.level.and_then(|raw| raw::string(raw.get()));
        let Some(level) = name.and_then(|name| Level::parse(&name)) else {
            return self.refuse(id, Refusal::BadParams(BAD_LEVEL), turn);
        };
        if let Some(front) = call.front().and_then(|front| self.fronts.get_mut(&front)) {
            front.level = Some(level);
        }
        self.raise_level(turn);
        self.settle_empty(id, turn);
    }

    fn notified(&mut self, front: FrontId, note: &Frame, turn: &mut Turn) {
        if !self.fronts.contains_key(&front) && note.method().as_note() != NoteRoute::Initialized {
            return turn.dropped(Dropped::Unwanted);
        }
        match note.method().as_note() {
            NoteRoute::Cancel => {
                let id = note.params().request_id.map(|raw| RawId::new(raw.get()));
                let call = self.fronts.get(&front).zip(id).and_then(|(f, id)| f.call_of(&id));
                let method = call.and_then(|call| self.calls.get(&call)).map(|call| call.method);
                // A handshake is never cancelled, and naming what has ended is no error.
                match (call, method) {
                    (Some(call), Some(method)) if method != Method::Initialize => {
                        self.cancel(call, turn);
                    }
                    _ => turn.dropped(Dropped::Unwanted),
                }
            }
            NoteRoute::Initialized => self.initialized(turn),
            NoteRoute::Forward => {
                let absent = matches!(self.child, Child::Absent { .. });
                // A child without a handshake knows of no such notification.
                let unwanted = self.tenancy == Tenancy::Shared || self.is_child_modern();
                if unwanted || absent || self.room == 0 {
                    return turn.dropped(Dropped::Unwanted);
                }
                self.initialized(turn);
                turn.send(note.text().clone());
            }
        }
    }

    /// Ends the child's handshake, if that has not been done.
    pub(super) fn initialized(&mut self, turn: &mut Turn) {
        if let Child::Ready { initialized: initialized @ false, .. } = &mut self.child {
            *initialized = true;
            turn.send(Greeting::close());
        }
    }
}

/// The least grave log messages that a client without a session wants to hear of, if any.
pub(super) fn wanted_level(caller: &Caller, meta: &Meta<'_>) -> Result<Option<Level>, Refusal> {
    let leaf = meta.log_level.filter(|_| caller.card().version.era() == Era::Modern);
    let Some(leaf) = leaf else { return Ok(None) };
    let level = raw::string(leaf.get()).and_then(|name| Level::parse(&name));
    level.map(Some).ok_or(Refusal::BadParams(BAD_LEVEL))
}

/// What a call is called in the log: the tool, prompt or resource it names, or its method.
fn name_of(request: &Frame, params: &Params<'_>) -> Little {
    let leaf = match request.method().subject() {
        Subject::Name => params.name,
        Subject::Uri => params.uri,
        // Whoever knows the name of a task may be able to use it.
        Subject::TaskId | Subject::None => None,
    };
    match leaf.and_then(|raw| raw::string(raw.get())) {
        Some(name) => Little::new(raw::clipped(&name)),
        None => Little::new(raw::clipped(request.method_name())),
    }
}
