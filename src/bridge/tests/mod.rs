//! The pair: pretend clients, a switchboard, a pretend child and a pretend clock, driven until all are idle.
//!
//! Nothing here waits: time is a number that a test moves. Clients are letter boxes ([`letters`]), the child is a list of
//! lines and a script ([`child`]).

mod child;
mod letters;
mod modern;

mod asks;
mod bridged_tasks;
mod calls;
mod endings;
mod eras;
mod errors;
mod held;
mod legacy_output;
mod levels;
mod limits;
mod listens;
mod loops;
mod notices;
mod outliving;
mod own_listens;
mod quiet;
mod recalling;
mod remembering;
mod restarts;
mod resuming;
mod rounds;
mod streams;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use self::child::Child;
use self::letters::Letters;
use super::front::{FrontCard, Principal, Vanish, Who};
use super::greeting::{Abilities, Hello};
use super::lane::AskSet;
use super::refusal::Refusal;
use super::switchboard::{Absence, Caller, Limits, Order, Reach, Switchboard, Tenancy};
use super::turn::{Dropped, Note, Outcome, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, EventId, FrontId, ServerName};
use crate::wire::version::Version;

/// The house in a bottle.
struct Pair {
    board: Switchboard<Letters>,
    child: Child,
    now: Instant,
    notes: Vec<Note>,
    last_call: u64,
    /// Of the sessions, whose numbers begin at one.
    cards: Vec<Arc<FrontCard>>,
}

/// One request and its answer, or one stream.
#[derive(Clone, Debug)]
struct Post {
    call: CallId,
    letters: Letters,
}

const BASE: u64 = 7 << 40;

// === impl Pair ===

impl Pair {
    /// A shared child that is ready.
    fn shared() -> Self {
        Self::with(Tenancy::Shared, |_| {})
    }

    /// A private child that is ready, and the one session it belongs to, which can be asked anything.
    fn private() -> (Self, FrontId) {
        let mut pair = Self::with(Tenancy::Private, |_| {});
        let front = pair.session(Version::V2025_11_25);
        pair.call(front, 0, "initialize", &json!({}));
        pair.note(front, "notifications/initialized", &json!({}));
        pair.child.heard();
        (pair, front)
    }

    fn with(tenancy: Tenancy, change: impl Fn(&mut Limits)) -> Self {
        let mut pair = Self::starting(tenancy, change);
        pair.ready();
        pair.child.heard();
        pair
    }

    /// A switchboard whose child is not there yet.
    fn starting(tenancy: Tenancy, change: impl Fn(&mut Limits)) -> Self {
        let mut limits = Limits::new(ServerName::new("git").unwrap());
        change(&mut limits);
        let now = Instant::now();
        Self {
            board: Switchboard::new(tenancy, limits, BASE, [7; 32], now),
            child: Child::default(),
            now,
            notes: Vec::new(),
            last_call: 0,
            cards: Vec::new(),
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut Switchboard<Letters>, &mut Turn)) {
        let mut turn = Turn::new(self.now);
        act(&mut self.board, &mut turn);
        for line in &turn.to_child {
            self.child.hear(line);
        }
        self.notes.append(&mut turn.notes);
    }

    fn order(&mut self, order: Order<Letters>) {
        self.turn(|board, turn| board.order(order, turn));
    }

    /// Lets the child react until it has nothing more to say.
    fn drive(&mut self) {
        loop {
            let lines = self.child.react();
            if lines.is_empty() {
                return;
            }
            for line in &lines {
                self.says(line);
            }
        }
    }

    /// Lets time pass, and does what falls due on the way.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.board.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.turn(Switchboard::tick);
        }
        self.now = end;
    }

    // What clients do.

    fn session(&mut self, version: Version) -> FrontId {
        self.session_of(version, &Principal::anonymous())
    }

    fn session_of(&mut self, version: Version, principal: &Principal) -> FrontId {
        let card = card(version, principal, self.now);
        self.enters(card)
    }

    /// A session that is met here.
    fn enters(&mut self, card: FrontCard) -> FrontId {
        self.cards.push(Arc::new(card));
        FrontId(self.cards.len() as u128)
    }

    fn who(&self, front: FrontId) -> Who {
        let unknown = || Arc::new(card(Version::V2025_11_25, &Principal::anonymous(), self.now));
        let place = usize::try_from(front.0).unwrap() - 1;
        Who { front, card: self.cards.get(place).cloned().unwrap_or_else(unknown) }
    }

    fn caller(&self, front: FrontId) -> Caller {
        Caller::Front(self.who(front))
    }

    fn post(&mut self) -> Post {
        self.last_call += 1;
        Post { call: CallId(self.last_call), letters: Letters::new() }
    }

    /// A request whose answer may become a stream.
    fn call(&mut self, front: FrontId, id: impl Into<Value>, method: &str, params: &Value) -> Post {
        self.request(self.caller(front), true, &request(&id.into(), method, params))
    }

    /// `tools/call` of a tool named `x`.
    fn tool(&mut self, front: FrontId, id: impl Into<Value>) -> Post {
        self.call(front, id, "tools/call", &json!({"name": "x"}))
    }

    /// `tools/call` that wants to hear of progress.
    fn tool_with_token(&mut self, front: FrontId, id: u32, token: &Value) -> Post {
        let params = json!({"name": "x", "_meta": {"progressToken": token}});
        self.call(front, id, "tools/call", &params)
    }

    fn request(&mut self, caller: Caller, streams: bool, text: &str) -> Post {
        let post = self.post();
        let request = frame(text);
        let reach = Reach::Own { outlet: post.letters.clone(), streams };
        self.order(Order::Call { call: post.call, caller, request, reach });
        post
    }

    /// A request that is answered on the standing stream.
    fn call_standing(&mut self, front: FrontId, id: u32, method: &str) -> CallId {
        let call = self.post().call;
        let request = frame(&request(&id.into(), method, &json!({})));
        let (caller, reach) = (self.caller(front), Reach::Standing);
        self.order(Order::Call { call, caller, request, reach });
        call
    }

    fn note(&mut self, front: FrontId, method: &str, params: &Value) {
        let note = frame(&child::notice(method, params).to_string());
        self.order(Order::Notify { front, note });
    }

    fn cancel(&mut self, front: FrontId, id: impl Into<Value>) {
        self.note(front, "notifications/cancelled", &json!({"requestId": id.into()}));
    }

    fn answer(&mut self, front: FrontId, id: &Value) {
        let answer =
            json!({"jsonrpc": "2.0", "id": id, "result": {"by": u64::try_from(front.0).unwrap()}});
        self.order(Order::Answer { front, answer: frame(&answer.to_string()) });
    }

    fn listen(&mut self, front: FrontId, vanish: Vanish) -> Post {
        let post = self.post();
        let (who, outlet) = (self.who(front), post.letters.clone());
        self.order(Order::Listen { call: post.call, who, outlet, vanish });
        post
    }

    fn attach(&mut self, front: FrontId, after: EventId) -> Post {
        let post = self.post();
        let (who, outlet) = (self.who(front), post.letters.clone());
        self.order(Order::Attach { call: post.call, who, after, outlet });
        post
    }

    /// The reader leaves before it has everything.
    fn drop_reader(&mut self, post: &Post) {
        post.letters.leave();
        self.order(Order::Goodbye { call: post.call, finished: false });
    }

    /// The reader has everything.
    fn finish(&mut self, post: &Post) {
        self.order(Order::Goodbye { call: post.call, finished: true });
    }

    fn close(&mut self, front: FrontId) {
        self.order(Order::Close { front });
    }

    // What the child does.

    fn says(&mut self, line: &Value) {
        let frame = frame(&line.to_string());
        self.turn(|board, turn| board.line(&frame, turn));
    }

    /// The child asks, and the id is given under which it did.
    fn asks(&mut self, method: &str) -> Value {
        let question = self.child.question(method);
        self.says(&question);
        question["id"].clone()
    }

    fn ready(&mut self) {
        let result = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {
                "tools": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "logging": {},
            },
            "serverInfo": {"name": "pretend", "version": "1"},
        });
        let abilities = Abilities::recalled(&result.to_string()).expect("a sound answer");
        self.turn(|board, turn| board.ready(Box::new(abilities), turn));
    }

    /// A process of it is made.
    fn begins(&mut self) {
        self.turn(|board, turn| board.explain(Absence::Starting, turn.now));
    }

    fn dies(&mut self) {
        let why: Arc<str> = "exit status 1".into();
        self.turn(|board, turn| board.gone(&why, turn));
    }

    /// It is stopped because nobody needs it.
    fn rests(&mut self) {
        let why: Arc<str> = "it was put to rest".into();
        self.turn(|board, turn| {
            board.gone(&why, turn);
            board.child_rests(true);
        });
    }

    /// A child is on its way.
    fn wakes(&mut self) {
        self.turn(|board, _| board.child_rests(false));
    }

    fn is_given_up(&mut self) {
        let why: Arc<str> = "no such program".into();
        self.turn(|board, turn| board.give_up(&why, turn));
    }

    // What there is to see.

    fn dropped(&self, why: Dropped) -> usize {
        self.notes.iter().filter(|note| matches!(note, Note::Dropped(w) if *w == why)).count()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |note: &Note| match note {
            Note::Settled(settled) => Some(settled.outcome),
            Note::Dropped(_) | Note::FrontGone(_) | Note::ToolsChanged => None,
        };
        self.notes.iter().filter_map(outcome).collect()
    }

    fn fronts_gone(&self) -> Vec<FrontId> {
        let front = |note: &Note| match note {
            Note::FrontGone(front) => Some(*front),
            Note::Dropped(_) | Note::Settled(_) | Note::ToolsChanged => None,
        };
        self.notes.iter().filter_map(front).collect()
    }
}

fn card(version: Version, principal: &Principal, since: Instant) -> FrontCard {
    FrontCard {
        version,
        principal: principal.clone(),
        declared: AskSet::declared(r#"{"sampling":{},"elicitation":{},"roots":{}}"#),
        client: "pretend".into(),
        hello: Hello::nobody(),
        hears: true,
        since: Some(since),
    }
}

fn frame(text: &str) -> Frame {
    Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn request(id: &Value, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
