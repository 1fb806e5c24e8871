//! Sequences of operations on a switchboard: four bytes are one thing that a client, the child or time does. After each, what
//! the switchboard promises is looked at; at the end everybody leaves, and nothing may be left.

mod child;
mod letters;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use stdiod::bridge::front::{FrontCard, Principal, Vanish, Who};
use stdiod::bridge::greeting::{Abilities, Hello};
use stdiod::bridge::lane::AskSet;
use stdiod::bridge::refusal::Refusal;
use stdiod::bridge::switchboard::{Caller, Limits, Need, Order, Reach, Switchboard, Tenancy};
use stdiod::bridge::turn::{Note, Turn};
use stdiod::wire::frame::Frame;
use stdiod::wire::id::{CallId, EventId, FrontId, ServerName, StreamId};
use stdiod::wire::version::Version;

use self::child::Child;
use self::letters::{Letters, Mail};

const METHODS: [&str; 12] = [
    "tools/call",
    "tools/list",
    "tools/call",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "logging/setLevel",
    "ping",
    "initialize",
    "vendor/thing",
    "server/discover",
    "prompts/get",
];
const IDS: [&str; 4] = ["1", "\"1\"", "2", "1.0"];
const URIS: [&str; 3] = ["a:/x", "a:/x/y", "b:/"];
const ASKS: [&str; 4] = ["elicitation/create", "ping", "roots/list", "sampling/createMessage"];
const LEVELS: [&str; 3] = ["debug", "error", "loud"];

struct World {
    board: Switchboard<Letters>,
    tenancy: Tenancy,
    child: Child,
    is_ready: bool,
    /// Of which eras its children are, one after the other, and how many there were.
    eras: u8,
    births: u32,
    now: Instant,
    mail: Rc<Mail>,
    fronts: Vec<Who>,
    /// Who has done something since the last child died.
    acted: Vec<Principal>,
    /// Everyone who was ever given an outlet and has not said goodbye.
    readers: Vec<Letters>,
    all: Vec<Letters>,
    last: u64,
    settled: usize,
    /// Calls the switchboard took, and never fewer than it settled.
    taken: usize,
}

/// Fronts are numbered as they come.
fn number(front: FrontId) -> u64 {
    u64::try_from(front.0).expect("they are few")
}

/// Runs one sequence.
pub(crate) fn run(input: &[u8]) {
    let [kind, ops @ ..] = input else { return };
    let mut world = World::new(*kind);
    for op in ops.chunks_exact(4).take(400) {
        world.does(op[0], usize::from(op[1]), usize::from(op[2]), op[3]);
        world.holds();
    }
    world.ends();
}

// === impl World ===

impl World {
    fn new(kind: u8) -> Self {
        let tenancy = match (kind >> 4 & 3, kind & 1) {
            (1, _) => Tenancy::Pooled { exclusive: false },
            (2, _) => Tenancy::Pooled { exclusive: true },
            (_, 0) => Tenancy::Shared,
            _ => Tenancy::Private,
        };
        let mut limits = Limits::new(ServerName::new("s").expect("a sound name"));
        limits.resting_max = usize::from(kind >> 3 & 1);
        limits.concurrency = usize::from(kind >> 1 & 3);
        limits.asks_max = 3;
        limits.subscriptions_max = 2;
        limits.log.events_max = 6;
        limits.log.bytes_max = 900;
        limits.log.streams_max = 3;
        let now = Instant::now();
        limits.log_bytes_max = 2000;
        Self {
            board: Switchboard::new(tenancy, limits, 99 << 32, [0; 32], now),
            tenancy,
            child: Child::default(),
            is_ready: false,
            eras: kind >> 6,
            births: 0,
            now,
            mail: Rc::default(),
            fronts: Vec::new(),
            acted: Vec::new(),
            readers: Vec::new(),
            all: Vec::new(),
            last: 0,
            settled: 0,
            taken: 0,
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut Switchboard<Letters>, &mut Turn)) {
        let mut turn = Turn::new(self.now);
        act(&mut self.board, &mut turn);
        for line in &turn.to_child {
            self.child.hear(line);
        }
        for note in turn.notes {
            match note {
                Note::Settled(_) => self.settled += 1,
                Note::FrontGone(gone) => {
                    let before = self.fronts.len();
                    self.fronts.retain(|who| who.front != gone);
                    assert_eq!(self.fronts.len() + 1, before, "a session ends once");
                }
                Note::Dropped(_) | Note::ToolsChanged => {}
            }
        }
    }

    fn order(&mut self, order: Order<Letters>) {
        match &order {
            Order::Call { caller: Caller::Implicit(card), .. }
            | Order::Retry { caller: Caller::Implicit(card), .. } => self.acts(&card.principal),
            Order::Call { caller: Caller::Front(who), .. }
            | Order::Retry { caller: Caller::Front(who), .. }
            | Order::Listen { who, .. } => {
                self.acts(&who.card.principal);
            }
            Order::Notify { .. }
            | Order::Answer { .. }
            | Order::Attach { .. }
            | Order::Goodbye { .. }
            | Order::Close { .. } => {}
        }
        self.turn(|board, turn| board.order(order, turn));
    }

    fn acts(&mut self, who: &Principal) {
        if !self.acted.contains(who) {
            self.acted.push(who.clone());
        }
    }

    fn says(&mut self, line: Option<Value>) {
        let Some(line) = line else { return };
        let frame = Frame::skim(Bytes::from(line.to_string())).expect("a sound line");
        self.turn(|board, turn| board.line(&frame, turn));
    }

    fn does(&mut self, op: u8, a: usize, b: usize, c: u8) {
        let is_pooled = matches!(self.tenancy, Tenancy::Pooled { .. });
        match op % 32 {
            _ if op >= 224 && self.tenancy != Tenancy::Private => self.does_newer(op % 8, a, b, c),
            0..=12 if is_pooled => self.does_newer(op % 7, a, b, c),
            0 | 1 => self.opens(a),
            2..=7 => self.calls(a, b, c),
            8 => self.calls_without_session(b, c),
            9 => self.notes(a, b),
            10 => self.cancels(a, b),
            11 | 12 => self.replies(a, b),
            13 => self.listens(a),
            14 => self.attaches(a, b, c),
            15 => self.leaves(a),
            16 => self.says_goodbye(a),
            17 => self.closes(a),
            18..=20 => {
                let line = self.child.answers(a, b).filter(|_| self.is_ready);
                self.says(line);
            }
            21 => self.babbles(a, b),
            22 | 23 => {
                let step = u32::from(c % 2);
                let line = self.child.progresses(a, step).filter(|_| self.is_ready);
                self.says(line);
            }
            24 | 25 => self.asks(a, b),
            26 | 27 => self.tells(a, b),
            28 => self.slows(a, b),
            29 => self.waits(Duration::from_millis(a as u64 * u64::from(c) * 8)),
            30 if a % 4 == 3 => self.rests(),
            30 => self.dies(a.is_multiple_of(4)),
            _ => self.is_born(),
        }
    }

    /// What clients without a session do, and what only a child without a handshake does.
    fn does_newer(&mut self, op: u8, a: usize, b: usize, c: u8) {
        match op {
            0..=2 => self.calls_newer(a, METHODS[b % METHODS.len()], b, c),
            3 => self.calls_newer(a, "subscriptions/listen", b, c),
            4..=6 => self.returns(a, b, c),
            _ if a.is_multiple_of(3) => self.waits(Duration::from_millis(20)),
            _ => {
                let line = self.child.tells_of_changes(a, b);
                self.says(line.filter(|_| self.is_ready && self.child.is_modern));
            }
        }
    }

    // What clients do.

    fn opens(&mut self, a: usize) {
        let most = match self.tenancy {
            Tenancy::Shared => 4,
            Tenancy::Private => 1,
            Tenancy::Pooled { .. } => 0,
        };
        if self.fronts.len() >= most {
            return;
        }
        self.last += 1;
        let front = FrontId(self.last.into());
        let version = Version::LEGACY[a % 4];
        let card = FrontCard {
            version,
            principal: Principal::new(if (a / 4).is_multiple_of(2) { "p" } else { "q" }),
            declared: AskSet::declared(r#"{"sampling":{},"elicitation":{}}"#),
            client: "pretend".into(),
            hello: Hello::nobody(),
            hears: true,
            since: Some(self.now),
        };
        self.fronts.push(Who { front, card: Arc::new(card) });
    }

    fn front(&self, a: usize) -> Option<Who> {
        let place = a.checked_rem(self.fronts.len())?;
        Some(self.fronts[place].clone())
    }

    fn letters(&mut self, front: Option<FrontId>, id: Option<&str>) -> Letters {
        self.letters_of(front, front.map_or(0, number), id)
    }

    fn letters_of(&mut self, front: Option<FrontId>, me: u64, id: Option<&str>) -> Letters {
        self.last += 1;
        let letters = Letters::new(&self.mail, CallId(self.last), front, me, id);
        self.readers.push(letters.clone());
        self.all.push(letters.clone());
        letters
    }

    fn request(of: u64, b: usize, c: u8) -> (Frame, &'static str) {
        let id = IDS[b / 16 % 4];
        let mut params = json!({
            "of": of,
            "name": "x",
            "uri": URIS[usize::from(c) / 4 % 3],
            "level": LEVELS[usize::from(c) / 4 % 3],
        });
        if c & 1 == 1 {
            params["_meta"] = json!({"progressToken": "mine"});
        }
        if c & 64 == 64 {
            params["task"] = json!({});
        }
        let method = METHODS[b % METHODS.len()];
        // A plain one, whose answer is remembered.
        if c & 32 == 32 && method.ends_with("/list") {
            params = json!({});
        }
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        (Frame::skim(text.into()).expect("a sound request"), id)
    }

    fn calls(&mut self, a: usize, b: usize, c: u8) {
        let Some(who) = self.front(a) else { return };
        let (request, id) = Self::request(number(who.front), b, c);
        let (front, version) = (who.front, who.card.version);
        let caller = Caller::Front(who);
        if version == Version::V2024_11_05 && c & 128 == 128 {
            self.last += 1;
            let call = CallId(self.last);
            return self.takes(Order::Call { call, caller, request, reach: Reach::Standing }, None);
        }
        let outlet = self.letters(Some(front), Some(id));
        let (call, letters) = (outlet.call(), outlet.clone());
        let reach = Reach::Own { outlet, streams: c & 2 == 0 };
        self.takes(Order::Call { call, caller, request, reach }, Some(&letters));
    }

    /// One of a few clients without sessions. Those of one pool are one principal and can be asked the same.
    fn newer(&self, me: u64) -> Caller {
        let is_shared = self.tenancy == Tenancy::Shared;
        let principal = if is_shared && me % 2 == 1 { "q" } else { "p" };
        let capabilities = match me % 3 {
            0 if is_shared => "{}",
            1 if is_shared => r#"{"sampling":{},"roots":{}}"#,
            _ => r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#,
        };
        Caller::Implicit(FrontCard {
            version: Version::MODERN,
            principal: Principal::new(principal),
            declared: AskSet::declared(capabilities),
            client: "newer".into(),
            hello: Arc::new(Hello {
                version: Version::MODERN,
                capabilities: capabilities.into(),
                client_info: "{}".into(),
            }),
            hears: true,
            since: None,
        })
    }

    fn request_of_newer(me: u64, method: &str, b: usize, c: u8, more: &Value) -> Frame {
        let mut params = json!({
            "of": me,
            "name": "x",
            "uri": URIS[usize::from(c) / 4 % 3],
            "notifications": {
                "toolsListChanged": c & 4 == 4,
                "resourceSubscriptions": if c & 8 == 8 { &URIS[b % 3..] } else { &[] },
            },
        });
        // A plain one, whose answer is remembered.
        if c & 32 == 32 && method.ends_with("/list") {
            params = json!({});
        }
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if c & 1 == 1 {
            meta["progressToken"] = json!("mine");
        }
        if c & 16 == 16 {
            meta["io.modelcontextprotocol/logLevel"] = json!(LEVELS[usize::from(c) / 64 % 3]);
        }
        params["_meta"] = meta;
        for (key, value) in more.as_object().into_iter().flatten() {
            params[key] = value.clone();
        }
        let id = IDS[b / 16 % 4];
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        Frame::skim(text.into()).expect("a sound request")
    }

    fn calls_newer(&mut self, a: usize, method: &str, b: usize, c: u8) {
        let me = 1000 + a as u64 % 4;
        let request = Self::request_of_newer(me, method, b, c, &Value::Null);
        let outlet = self.letters_of(None, me, Some(IDS[b / 16 % 4]));
        let (call, letters) = (outlet.call(), outlet.clone());
        let caller = self.newer(me);
        let reach = Reach::Own { outlet, streams: c & 2 == 0 };
        self.takes(Order::Call { call, caller, request, reach }, Some(&letters));
    }

    /// A client comes back with answers to what it was asked, to some of it, or to something else.
    fn returns(&mut self, a: usize, b: usize, c: u8) {
        let asked = self.all.iter().filter_map(|letters| Some((letters.me(), letters.round()?)));
        let asked: Vec<_> = asked.collect();
        let Some(place) = a.checked_rem(asked.len()) else { return };
        // Most often the latest.
        let place = if c & 128 == 0 { asked.len() - 1 - place % 2.min(asked.len()) } else { place };
        let (mut me, (suspended, mut round, keys)) = asked[place].clone();
        round += u32::from(b % 16 == 15);
        // In a pool one person is like another, and does not know another's state.
        if b % 16 == 14 && self.tenancy == Tenancy::Shared {
            me += 1;
        }
        let given = keys.iter().filter(|_| c & 64 == 0 || b.is_multiple_of(2));
        let given = given.map(|key| (key.clone(), json!({"of": me})));
        let mut given: serde_json::Map<String, Value> = given.collect();
        given.insert("extra".into(), json!({}));
        let more = json!({"inputResponses": given, "requestState": "sealed"});
        let method = if b % 16 == 13 { "prompts/get" } else { "tools/call" };
        let request = Self::request_of_newer(me, method, b, c & !32, &more);
        let outlet = self.letters_of(None, me, Some(IDS[b / 16 % 4]));
        let (call, caller) = (outlet.call(), self.newer(me));
        let letters = outlet.clone();
        let reach = Reach::Own { outlet, streams: c & 2 == 0 };
        let before = self.board.calls();
        self.order(Order::Retry { call, caller, request, reach, suspended, round });
        assert!(self.board.calls() <= before, "it is the same call");
        assert!(letters.is_held() || letters.is_over(), "it was forgotten");
    }

    fn calls_without_session(&mut self, b: usize, c: u8) {
        if self.tenancy != Tenancy::Shared {
            return;
        }
        let (request, id) = Self::request(0, b, c);
        let outlet = self.letters(None, Some(id));
        let (call, letters) = (outlet.call(), outlet.clone());
        let caller = Caller::Implicit(FrontCard {
            version: Version::V2025_03_26,
            principal: Principal::new("p"),
            declared: AskSet::default(),
            client: "pretend".into(),
            hello: Hello::nobody(),
            hears: true,
            since: Some(self.now),
        });
        let reach = Reach::Own { outlet, streams: c & 2 == 0 };
        self.takes(Order::Call { call, caller, request, reach }, Some(&letters));
    }

    /// A call is taken, or turned away at once.
    fn takes(&mut self, order: Order<Letters>, letters: Option<&Letters>) {
        let is_known = self.board.is_child_resting() && self.board.need(&order) == Need::Memory;
        let waiting = self.board.calls();
        self.order(order);
        assert!(!is_known || self.board.calls() <= waiting, "what is known waits for nobody");
        let taken = self.settled + self.board.calls() + self.board.listens();
        assert!(taken == self.taken || taken == self.taken + 1);
        assert!(taken > self.taken || letters.is_none_or(Letters::is_answered));
        self.taken = taken;
    }

    fn notes(&mut self, a: usize, b: usize) {
        let front = self.front(a).map_or(FrontId(0), |who| who.front);
        let method = ["notifications/initialized", "notifications/roots/list_changed", "vendor/x"];
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, method[b % 3]);
        self.order(Order::Notify { front, note: Frame::skim(text.into()).expect("a sound note") });
    }

    fn cancels(&mut self, a: usize, b: usize) {
        let Some(Who { front, .. }) = self.front(a) else { return };
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
            IDS[b % 4]
        );
        self.order(Order::Notify { front, note: Frame::skim(text.into()).expect("a sound note") });
    }

    /// A client answers what it was asked, what another was asked, or nothing at all.
    fn replies(&mut self, a: usize, b: usize) {
        let Some(Who { front, .. }) = self.front(a) else { return };
        let mut ids: Vec<String> = self.all.iter().flat_map(Letters::asked).collect();
        ids.push("\"ask-1\"".into());
        let id = &ids[b % ids.len()];
        let of = number(front);
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"of":{of}}}}}"#);
        self.order(Order::Answer { front, answer: Frame::skim(text.into()).expect("an answer") });
    }

    fn listens(&mut self, a: usize) {
        let Some(who) = self.front(a) else { return };
        let outlet = self.letters(Some(who.front), None);
        let vanish = if who.card.version == Version::V2024_11_05 && a > 127 {
            Vanish::EndSession
        } else {
            Vanish::Detach
        };
        self.order(Order::Listen { call: outlet.call(), who, outlet, vanish });
    }

    fn attaches(&mut self, a: usize, b: usize, c: u8) {
        let Some(who) = self.front(a) else { return };
        let seen = self.all.get(b).and_then(Letters::last).or_else(|| self.mail.some_event(b));
        let nothing = EventId { stream: StreamId(b as u64), seq: 0 };
        let mut after = seen.unwrap_or(nothing);
        after.seq += u64::from(c) / 250;
        let outlet = self.letters(Some(who.front), None);
        if c.is_multiple_of(8) {
            outlet.holds(b % 5);
        }
        self.order(Order::Attach { call: outlet.call(), who, after, outlet });
    }

    fn leaves(&mut self, a: usize) {
        if let Some(place) = a.checked_rem(self.readers.len()) {
            self.readers[place].leave();
        }
    }

    fn says_goodbye(&mut self, a: usize) {
        let Some(place) = a.checked_rem(self.readers.len()) else { return };
        let letters = self.readers.remove(place);
        let finished = letters.is_answered() && !letters.is_gone();
        letters.says_goodbye();
        let call = letters.call();
        drop(letters);
        self.order(Order::Goodbye { call, finished });
    }

    fn closes(&mut self, a: usize) {
        let Some(Who { front, .. }) = self.front(a) else { return };
        self.order(Order::Close { front });
        self.fronts.retain(|who| who.front != front);
    }

    fn slows(&mut self, a: usize, b: usize) {
        if let Some(place) = a.checked_rem(self.readers.len()) {
            self.readers[place].holds(b % 6);
        }
    }

    // What the child does.

    fn babbles(&mut self, a: usize, b: usize) {
        let number = a as u64 % 64 + b as u64 / 128;
        let waited_for = self.child.uses(number) && self.is_ready;
        let before = self.mail.count();
        let id = if b.is_multiple_of(2) { json!(number) } else { json!(number.to_string()) };
        if b % 8 == 7 {
            self.turn(|board, turn| board.spoilt(number, Refusal::Interrupted, turn));
        } else {
            self.says(Some(json!({"jsonrpc": "2.0", "id": id, "result": {}})));
        }
        assert!(waited_for || self.mail.count() == before, "a stray answer is heard by nobody");
        self.says(Some(json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1}})));
    }

    fn asks(&mut self, a: usize, b: usize) {
        if !self.is_ready {
            return;
        }
        let line = if a.is_multiple_of(5) {
            self.child.takes_back(b)
        } else {
            self.child.asks(ASKS[b % 4], self.tenancy == Tenancy::Pooled { exclusive: true })
        };
        self.says(line);
    }

    fn tells(&mut self, a: usize, b: usize) {
        let notice = |method: &str, params: Value| {
            Some(json!({"jsonrpc": "2.0", "method": method, "params": params}))
        };
        let number = self.child.pending.first().map_or(4, |pending| pending.number);
        let logs = self.mail.logs();
        self.says(match a % 6 {
            0 => notice("notifications/tools/list_changed", json!({})),
            1 => notice("notifications/prompts/list_changed", json!({})),
            2 => notice("notifications/message", json!({"level": LEVELS[b % 3], "data": 1})),
            3 => notice("notifications/resources/updated", json!({"uri": URIS[b % 3]})),
            4 => notice("notifications/stdiod/close_stream", json!({"requestId": number})),
            _ => notice("notifications/vendor", json!({"progressToken": b})),
        });
        assert!(
            self.acted.len() < 2 || self.mail.logs() == logs,
            "a log line crosses between parties"
        );
    }

    fn dies(&mut self, for_good: bool) {
        let why: Arc<str> = "exit status 1".into();
        self.is_ready = false;
        self.acted.clear();
        self.child.new_life();
        self.turn(|board, turn| board.gone(&why, turn));
        if for_good {
            self.turn(|board, turn| board.give_up(&why, turn));
        }
    }

    /// Nobody needs the child, as far as this is known here: calls that wait go on waiting for the next.
    fn rests(&mut self) {
        self.dies(false);
        self.board.child_rests(true);
    }

    fn is_born(&mut self) {
        // Streams of changes are sent again to each, under numbers that are not without end.
        if self.is_ready || self.births == 15 {
            return;
        }
        self.births += 1;
        self.board.child_rests(false);
        self.child.is_modern = match self.eras {
            0 => false,
            1 => true,
            _ => self.births.is_multiple_of(2),
        };
        let capabilities =
            r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}"#;
        let result = if self.child.is_modern {
            format!(r#"{{"supportedVersions":["2026-07-28"],"capabilities":{capabilities}}}"#)
        } else {
            format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities}}}"#)
        };
        let abilities = Abilities::recalled(&result).expect("a sound answer");
        self.is_ready = true;
        self.turn(|board, turn| board.ready(Box::new(abilities), turn));
    }

    // What time does.

    fn waits(&mut self, time: Duration) {
        let end = self.now + time;
        let mut last = self.now;
        let mut rounds = 0;
        while let Some(due) = self.board.deadline().filter(|due| *due <= end) {
            assert!(due >= last, "what is due was done");
            last = due;
            self.now = self.now.max(due);
            self.turn(Switchboard::tick);
            rounds += 1;
            assert!(rounds < 10_000, "time passes");
        }
        self.now = end;
    }

    // What always holds.

    fn holds(&self) {
        let open = self.board.calls() + self.board.listens();
        assert_eq!(self.settled + open, self.taken, "settled once, or not yet");
        assert!(self.board.asks() <= 3, "questions are bounded");
        assert!(self.board.fronts() <= self.fronts.len());
        assert!(self.board.kept() <= 2000, "what is kept for all is bounded");
        for letters in self.all.iter().filter(|letters| letters.waits_for_answer()) {
            assert!(letters.is_held() || letters.is_over(), "a call was forgotten");
        }
    }

    /// Everybody leaves, and the child answers all it was asked.
    fn ends(&mut self) {
        while !self.fronts.is_empty() {
            self.closes(0);
            self.holds();
        }
        let is_pooled = matches!(self.tenancy, Tenancy::Pooled { .. });
        if self.is_ready && !is_pooled {
            assert!(self.child.open_questions().is_empty(), "a question was left unanswered");
        }
        while !self.readers.is_empty() {
            self.says_goodbye(0);
        }
        if self.is_ready && is_pooled {
            // Whoever has been asked something may come back for a while.
            self.waits(Duration::from_secs(3600));
            assert!(self.child.open_questions().is_empty(), "a question was left unanswered");
        }
        while self.is_ready && !self.child.pending.is_empty() {
            let line = self.child.answers(0, 2);
            self.says(line);
        }
        if self.is_ready && is_pooled {
            assert!(self.board.is_empty_handed(), "something is left: {:?}", self.board);
        }
        self.dies(true);
        self.holds();
        for letters in &self.all {
            assert!(!letters.is_held(), "an outlet is still held");
            assert!(!letters.waits_for_answer() || letters.is_over(), "a call was never answered");
        }
        assert!(self.board.is_empty_handed(), "something is left: {:?}", self.board);
        self.waits(Duration::from_secs(7200));
        assert!(self.board.deadline().is_none(), "nothing is left to wait for");
    }
}
