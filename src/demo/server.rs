//! What the server knows, and how it speaks: the client's greeting, the calls that wait, the questions asked.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::call::{Call, Outcome};
use super::era::{Era, Spoken};
use super::flight::{Answer, Flight};
use super::modern::{self, Listens, News, Seal};
use super::tasks::{self, Tasks};
use super::voice::Voice;
use super::{DemoArgs, resources};
use crate::wire::fault::{self, Fault, INVALID_PARAMS};
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::RawId;
use crate::wire::version::Version;

/// The log levels, from least grave to gravest.
pub(super) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What a client is told, for its model, when it meets the server.
pub(super) const INSTRUCTIONS: &str =
    "A server to try things with. Begin with the tool `echo`, or read demo://welcome.";

/// Each waiting call holds a thread.
const FLIGHTS_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) args: DemoArgs,
    pub(super) voice: Voice,
    /// What the tool `count_state` counts.
    pub(super) count: AtomicU64,
    pub(super) era: Era,
    /// How often the tool `visit_url` was called.
    pub(super) visits: AtomicU64,
    /// How often `server/discover` was asked.
    pub(super) discoveries: AtomicUsize,
    pub(super) listens: Listens,
    pub(super) tasks: Tasks,
    pub(super) seal: Seal,
    talk: Mutex<Talk>,
    flights: Mutex<HashMap<RawId, Arc<Flight>>>,
    /// Who waits for the answer to which question; nobody does for a stray one.
    asks: Mutex<HashMap<u64, Option<Arc<Flight>>>>,
    next_ask: AtomicU64,
    calls: AtomicU64,
    /// Stdin has ended.
    pub(super) over: AtomicBool,
}

/// What the client has said so far.
#[derive(Debug)]
struct Talk {
    greeting: Option<Greeting>,
    /// The least grave level to send, as a place in `LEVELS`.
    threshold: usize,
    subscribed: BTreeSet<String>,
    offers_surprise: bool,
}

#[derive(Debug)]
struct Greeting {
    version: Version,
    client_info: Value,
    capabilities: Value,
}

// === impl Server ===

impl Server {
    pub(super) fn new(args: DemoArgs, output: impl Write + Send + 'static) -> Self {
        let talk = Talk {
            greeting: None,
            threshold: 1,
            subscribed: BTreeSet::new(),
            offers_surprise: false,
        };
        Self {
            voice: Voice::new(&args, output),
            era: Era::new(args.era, args.loose_era),
            seal: Seal::new(args.state_key.as_deref()),
            args,
            count: AtomicU64::new(0),
            visits: AtomicU64::new(0),
            discoveries: AtomicUsize::new(0),
            listens: Listens::default(),
            tasks: Tasks::default(),
            talk: Mutex::new(talk),
            flights: Mutex::default(),
            asks: Mutex::default(),
            next_ask: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// What is said before the client says anything; nothing, if well-behaved.
    pub(super) fn overture(&self) {
        if self.args.banner {
            self.voice.raw(b"demo-server\n===========\n\xff\xfe listening\n[1, 2\n{}\n\"text\"\n");
        }
        if let Some(bytes) = self.args.huge_line {
            self.log("error", &"x".repeat(bytes).into());
        }
    }

    /// Talks until stdin ends.
    pub(super) fn flood(&self) {
        let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/demo/flood\"}\n";
        let much = line.repeat(1000);
        while !self.over.load(Ordering::Relaxed) {
            self.voice.raw(&much);
            // Answers have to get in between.
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }

    /// Half a line, if so told: what a dying server may leave behind.
    pub(super) fn last_words(&self) {
        if self.args.half_line {
            self.voice.raw(b"{\"jsonrpc\":\"2.0\",\"id\":");
        }
    }

    pub(super) fn greet(&self, params: &Value) -> Outcome {
        let wanted = params["protocolVersion"].as_str().ok_or_else(|| {
            Fault::new(INVALID_PARAMS, "\"protocolVersion\" must name a protocol revision")
        })?;
        let newest = self.args.revision.unwrap_or(Version::NEWEST_LEGACY);
        let version = Version::answer_to(wanted).min(newest);
        let mut capabilities = json!({
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "prompts": {"listChanged": true},
            "logging": {},
        });
        if version >= Version::V2025_03_26 {
            capabilities["completions"] = json!({});
        }
        if self.args.legacy_tasks && version == Version::V2025_11_25 {
            capabilities["tasks"] = tasks::capability();
        }
        self.talk().greeting = Some(Greeting {
            version,
            client_info: params["clientInfo"].clone(),
            capabilities: params["capabilities"].clone(),
        });
        Ok(json!({
            "protocolVersion": version.as_str(),
            "capabilities": capabilities,
            "serverInfo": self.about(),
            "instructions": INSTRUCTIONS,
        }))
    }

    /// What the server says of itself.
    pub(super) fn about(&self) -> Value {
        json!({
            "name": self.args.name.as_deref().unwrap_or("stdiod-demo"),
            "title": "stdiod demo server",
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    pub(super) fn subscribe(&self, params: &Value) -> Outcome {
        self.talk().subscribed.insert(resources::uri(params)?.to_owned());
        Ok(json!({}))
    }

    pub(super) fn unsubscribe(&self, params: &Value) -> Outcome {
        self.talk().subscribed.remove(resources::uri(params)?);
        Ok(json!({}))
    }

    pub(super) fn set_level(&self, params: &Value) -> Outcome {
        let threshold = params["level"].as_str().and_then(gravity).ok_or_else(|| {
            Fault::new(INVALID_PARAMS, format!("\"level\" must be one of {}", LEVELS.join(", ")))
        })?;
        self.talk().threshold = threshold;
        Ok(json!({}))
    }

    /// Counts a tool call, this one included.
    pub(super) fn count_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes a waiting call into the books, unless they are full.
    pub(super) fn started(&self, call: &Call<'_>) -> bool {
        let mut flights = self.flights();
        let has_room = flights.len() < FLIGHTS_MAX;
        if has_room {
            flights.insert(call.id.clone(), Arc::clone(&call.flight));
        }
        has_room
    }

    /// A call has come to its end; if it was cancelled, nobody wants to hear of it.
    pub(super) fn landed(&self, call: &Call<'_>, outcome: Outcome) {
        if let Some(task) = call.task.get() {
            return task.land(self, outcome);
        }
        self.flights().remove(&call.id);
        if !call.flight.is_cancelled() || self.args.answer_cancelled {
            self.answer_call(call, outcome);
        }
    }

    /// A waiting call is answered with a task, and what becomes of it is the task's.
    pub(super) fn became_task(&self, call: &Call<'_>, created: Outcome) {
        self.flights().remove(&call.id);
        self.answer_call(call, created);
    }

    fn answer_call(&self, call: &Call<'_>, outcome: Outcome) {
        let is_modern = call.is_modern();
        let outcome = if is_modern { modern::dressed(self, outcome, call.keep()) } else { outcome };
        self.answer(&call.id, outcome);
    }

    /// Cancels a waiting call. One that is over, or never was, does not matter.
    pub(super) fn cancel(&self, id: &RawId) {
        let flight = self.flights().get(id).cloned();
        if let Some(flight) = flight {
            flight.cancel();
        }
    }

    pub(super) fn cancel_all(&self) {
        for flight in self.flights().values() {
            flight.cancel();
        }
        self.tasks.cancel_all();
    }

    /// The client has answered a question.
    pub(super) fn answered(&self, frame: &Frame) {
        let waiting = frame.id_number().and_then(|ask| {
            let flight = self.asks().remove(&ask).flatten()?;
            Some((ask, flight))
        });
        let Some((ask, flight)) = waiting else { return };
        let payload: Value =
            frame.payload().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let answer: Answer = if frame.kind() == Kind::Result {
            Ok(payload)
        } else {
            let message = payload["message"].as_str().unwrap_or("no message");
            Err(format!("{message} ({})", payload["code"]))
        };
        flight.bring(ask, answer);
    }

    /// Asks the client. The answer will come to `flight`.
    pub(super) fn ask(&self, flight: Option<&Arc<Flight>>, method: &str, params: &Value) -> u64 {
        let ask = self.number_ask();
        self.asks().insert(ask, flight.cloned());
        let ask_text =
            json!({"jsonrpc": "2.0", "id": ask, "method": method, "params": params}).to_string();
        self.voice.say(ask_text.as_bytes());
        ask
    }

    /// A number no other question has.
    pub(super) fn number_ask(&self) -> u64 {
        self.next_ask.fetch_add(1, Ordering::Relaxed)
    }

    /// Nobody waits for the answer any more. Tells whether it was still to come.
    pub(super) fn forget_ask(&self, ask: u64) -> bool {
        self.asks().remove(&ask).is_some()
    }

    /// Tells of a change, in the way of the era, and whether anybody wanted to know.
    pub(super) fn announce(&self, news: News<'_>) -> bool {
        match (self.era.spoken(), news) {
            (Spoken::Modern, _) => self.listens.tell(self, news),
            (Spoken::Legacy, News::Resource(uri)) if !self.talk().subscribed.contains(uri) => false,
            (Spoken::Legacy, _) => {
                self.notify(news.method(), &news.params());
                true
            }
        }
    }

    pub(super) fn notify(&self, method: &str, params: &Value) {
        if params.is_null() {
            let text = json!({"jsonrpc": "2.0", "method": method}).to_string();
            return self.voice.say(text.as_bytes());
        }
        self.notify_raw(method, &params.to_string());
    }

    pub(super) fn notify_raw(&self, method: &str, params: &str) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.voice.say(text.as_bytes());
    }

    pub(super) fn log(&self, level: &str, data: &Value) {
        let params = json!({"level": level, "logger": "demo", "data": data});
        self.notify("notifications/message", &params);
    }

    /// The least grave level the client that greeted wants, as a place in `LEVELS`.
    pub(super) fn threshold(&self) -> usize {
        self.talk().threshold
    }

    /// Whether several messages may come at once, as in the two oldest revisions.
    pub(super) fn batches(&self) -> bool {
        self.era.spoken() == Spoken::Legacy && self.version().batches()
    }

    pub(super) fn version(&self) -> Version {
        self.talk().greeting.as_ref().map_or(Version::ASSUMED, |greeting| greeting.version)
    }

    /// What the client said of itself.
    pub(super) fn client(&self) -> Value {
        let talk = self.talk();
        talk.greeting.as_ref().map_or_else(
            || json!({}),
            |greeting| {
                json!({
                    "protocolVersion": greeting.version.as_str(),
                    "clientInfo": greeting.client_info,
                    "capabilities": greeting.capabilities,
                })
            },
        )
    }

    pub(super) fn offers_surprise(&self) -> bool {
        self.talk().offers_surprise
    }

    pub(super) fn toggle_surprise(&self) -> bool {
        let mut talk = self.talk();
        talk.offers_surprise = !talk.offers_surprise;
        talk.offers_surprise
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.talk().greeting.is_some()
    }

    pub(super) fn answer(&self, id: &RawId, outcome: Outcome) {
        let quoted = format!("\"{}\"", id.as_str());
        let is_number = !id.as_str().starts_with('"');
        let id = if self.args.string_ids && is_number { RawId::new(&quoted) } else { id.clone() };
        let text = match outcome {
            Ok(result) => fault::result(&id, &result.to_string()),
            Err(fault) => fault.answer(Some(&id)),
        };
        self.voice.say(&text);
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<RawId, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asks(&self) -> MutexGuard<'_, HashMap<u64, Option<Arc<Flight>>>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a level in `LEVELS`.
pub(super) fn gravity(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}
