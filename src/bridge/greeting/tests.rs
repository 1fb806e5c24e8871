use super::*;
use crate::wire::meta::Params;

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"1"}}}"#;
const INITIALIZED: &str =
    r#"{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"l","version":"1"}}"#;
const NO_METHOD: &str = r#"{"code":-32601,"message":"no"}"#;

const WAIT: Duration = Duration::from_secs(5);

/// A child that is greeted, and a clock that can be put forward.
struct Pair {
    greeting: Greeting,
    now: Instant,
    /// What it was sent last.
    asked: String,
}

fn manner() -> Manner {
    Manner {
        choice: EraChoice::Auto,
        known: None,
        was_fatal: false,
        probe_wait: WAIT,
        shared: true,
    }
}

impl Pair {
    fn new(manner: Manner) -> Self {
        let now = Instant::now();
        let server = ServerName::new("key").unwrap();
        let (greeting, line) = Greeting::begin(&Hello::shared(), &server, manner, now);
        Self { greeting, now, asked: asked(&line) }
    }

    fn auto() -> Self {
        Self::new(manner())
    }

    fn known(era: Era) -> Self {
        Self::new(Manner { known: Some(era), ..manner() })
    }

    fn forced(choice: EraChoice) -> Self {
        Self::new(Manner { choice, ..manner() })
    }

    fn hears(&mut self, line: &str) -> String {
        let frame = Frame::skim(Bytes::copy_from_slice(line.as_bytes())).unwrap();
        let heard = self.greeting.hear(&frame, self.now);
        self.said(heard)
    }

    fn said(&mut self, heard: Heard) -> String {
        match heard {
            Heard::Nothing => "nothing".into(),
            Heard::Taken => "taken".into(),
            Heard::Say(line) => {
                self.asked = asked(&line);
                self.asked.clone()
            }
            Heard::Ready { abilities, shows } => {
                assert!(self.greeting.deadline().is_none());
                let shows = shows.map_or("nothing", Era::name);
                format!("ready {}, shows {shows}", abilities.era.name())
            }
            Heard::Shows(era) => format!("shows {}", era.name()),
            Heard::Failed(why) => format!("failed: {why}"),
        }
    }

    fn result(&mut self, to: &str, result: &str) -> String {
        self.hears(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id(to)))
    }

    fn error(&mut self, to: &str, error: &str) -> String {
        self.hears(&format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id(to)))
    }

    /// Lets the time pass that the greeting waits for.
    fn waits(&mut self) -> String {
        self.now = self.greeting.deadline().expect("it waits for something");
        let heard = self.greeting.tick(self.now);
        self.said(heard)
    }
}

fn id(question: &str) -> String {
    if question == "initialize" { "1".into() } else { format!("\"stdiod-{question}\"") }
}

/// Which of our questions a line is.
fn asked(line: &Bytes) -> String {
    let line: serde_json::Value = serde_json::from_slice(line).unwrap();
    match line["id"].as_str() {
        Some(id) => id.trim_start_matches("stdiod-").to_owned(),
        None => line["method"].as_str().unwrap().to_owned(),
    }
}

fn refused(supported: &str) -> String {
    format!(r#"{{"code":-32022,"message":"no","data":{{"supported":{supported}}}}}"#)
}

#[track_caller]
fn failed(said: &str, with: &[&str]) {
    assert!(said.starts_with("failed: "), "{said}");
    assert!(with.iter().all(|with| said.contains(with)), "{said}");
}

#[test]
fn t36_a_discover_result_with_our_revision_is_modern() {
    let mut pair = Pair::auto();
    assert_eq!(pair.asked, "probe-1");
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
    assert!(!pair.greeting.is_open());
    let more = DISCOVERED.replace("[\"2026", "[\"2025-11-25\",\"2027-01-01\",\"2026");
    assert_eq!(Pair::auto().result("probe-1", &more), "ready modern, shows modern");
}

#[test]
fn t36_results_that_are_none_and_errors_lead_to_initialize() {
    for result in [
        "3",
        "{}",
        INITIALIZED,
        r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#,
        r#"{"supportedVersions":["2025-11-25","2027-01-01"],"capabilities":{}}"#,
        r#"{"supportedVersions":["2026-07-28"]}"#,
        r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
    ] {
        let mut pair = Pair::auto();
        assert_eq!(pair.result("probe-1", result), "initialize", "{result}");
        assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    }
    let codes = [-32700, -32600, -32601, -32602, -32603, -32000, -32001, -32002, -32020, -32021, 0];
    let errors = codes.map(|code| format!(r#"{{"code":{code},"message":"no"}}"#));
    let more = ["{}".to_owned(), refused("[]"), refused("3"), refused("[\"2025-06-18\"]")];
    let listless = r#"{"code":-32022,"message":"no"}"#.to_owned();
    let other = r#"{"code":-32000,"message":"no","data":{"supported":["2027-01-01"]}}"#.to_owned();
    for error in errors.into_iter().chain(more).chain([listless, other]) {
        let mut pair = Pair::auto();
        assert_eq!(pair.error("probe-1", &error), "initialize", "{error}");
        assert!(pair.greeting.deadline().is_none());
        assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    }
}

#[test]
fn t36_a_refusal_that_names_our_revision_is_probed_once_more_and_never_initialized() {
    let mutual = refused(r#"["2027-01-01","2026-07-28"]"#);
    let mut pair = Pair::auto();
    assert_eq!(pair.error("probe-1", &mutual), "probe-2");
    assert_eq!(pair.result("probe-2", DISCOVERED), "ready modern, shows modern");
    for error in [&*mutual, NO_METHOD] {
        let mut pair = Pair::auto();
        pair.error("probe-1", &mutual);
        assert!(pair.greeting.deadline().is_none() && !pair.greeting.is_probing());
        failed(&pair.error("probe-2", error), &["says that it speaks revision 2026-07-28", error]);
    }
}

#[test]
fn t36_only_revisions_from_the_future_are_a_failure_that_names_them() {
    let future = r#"["2027-01-01"]"#;
    let result = format!(r#"{{"supportedVersions":{future},"capabilities":{{}}}}"#);
    failed(&Pair::auto().result("probe-1", &result), &["2027-01-01"]);
    failed(&Pair::auto().error("probe-1", &refused(future)), &["2027-01-01", "2026-07-28"]);
    for mut pair in [Pair::known(Era::Legacy), Pair::forced(EraChoice::Legacy)] {
        failed(&pair.error("initialize", &refused(future)), &["2027-01-01"]);
    }
}

#[test]
fn t36_after_silence_initialize_is_sent_too_and_a_result_is_legacy() {
    let mut pair = Pair::auto();
    assert_eq!(pair.greeting.deadline(), Some(pair.now + WAIT));
    let heard = pair.greeting.tick(pair.now);
    assert_eq!(pair.said(heard), "taken", "it is too early");
    assert_eq!(pair.waits(), "initialize");
    assert!(pair.greeting.deadline().is_none() && !pair.greeting.is_probing());
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    // A late answer to the probe is for the next process.
    assert!(pair.greeting.is_open());
    assert_eq!(pair.result("probe-1", DISCOVERED), "shows modern");
    assert!(!pair.greeting.is_open());
}

#[test]
fn t36_a_late_refusal_of_the_probe_changes_nothing() {
    let mut pair = Pair::auto();
    pair.waits();
    assert_eq!(pair.error("probe-1", NO_METHOD), "taken");
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    let mut pair = Pair::auto();
    pair.waits();
    pair.result("initialize", INITIALIZED);
    assert_eq!(pair.error("probe-1", &refused(r#"["2027-01-01"]"#)), "taken");
    assert!(!pair.greeting.is_open());
}

#[test]
fn t36_a_late_discover_result_waits_for_what_becomes_of_initialize() {
    let mut pair = Pair::auto();
    pair.waits();
    assert_eq!(pair.result("probe-1", DISCOVERED), "taken");
    assert_eq!(pair.error("initialize", NO_METHOD), "ready modern, shows modern");
    // One that takes both is bound to the handshake; the next one is not offered it.
    let mut pair = Pair::auto();
    pair.waits();
    pair.result("probe-1", DISCOVERED);
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows modern");
    // Nonsense and silence are no handshake.
    let mut pair = Pair::auto();
    pair.waits();
    pair.result("probe-1", DISCOVERED);
    assert_eq!(pair.result("initialize", "{}"), "ready modern, shows modern");
    let mut pair = Pair::auto();
    pair.waits();
    pair.result("probe-1", DISCOVERED);
    assert_eq!(pair.waits(), "ready modern, shows modern");
    assert_eq!(pair.result("initialize", INITIALIZED), "nothing");
}

#[test]
fn t36_initialize_that_is_refused_before_the_probe_is_answered_waits_for_that() {
    let mut pair = Pair::auto();
    pair.waits();
    assert_eq!(pair.error("initialize", NO_METHOD), "taken");
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
    let mut pair = Pair::auto();
    pair.waits();
    pair.error("initialize", NO_METHOD);
    failed(&pair.error("probe-1", NO_METHOD), &["server/discover", "-32601"]);
}

#[test]
fn t36_initialize_refused_for_our_revision_is_probed_once_more() {
    let mutual = refused(r#"["2026-07-28"]"#);
    let mut pair = Pair::auto();
    pair.waits();
    assert_eq!(pair.error("initialize", &mutual), "probe-2");
    assert_eq!(pair.result("probe-2", DISCOVERED), "ready modern, shows modern");
    // The slow one answers in order.
    let mut pair = Pair::auto();
    pair.waits();
    pair.error("initialize", &mutual);
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
    let mut pair = Pair::auto();
    pair.waits();
    pair.error("initialize", &mutual);
    failed(&pair.error("probe-2", NO_METHOD), &["says that it speaks revision 2026-07-28"]);
}

#[test]
fn t36_a_child_that_answers_both_with_errors_has_failed() {
    let mut pair = Pair::auto();
    pair.error("probe-1", r#"{"code":-1,"message":"a"}"#);
    failed(
        &pair.error("initialize", r#"{"code":-2,"message":"b"}"#),
        &["server/discover with the error", "-1", "initialize with the error", "-2"],
    );
}

#[test]
fn t36_one_that_ends_when_it_is_probed_is_only_initialized() {
    let pair = Pair::auto();
    assert!(pair.greeting.is_probing());
    let mut pair = Pair::new(Manner { was_fatal: true, ..manner() });
    assert_eq!(pair.asked, "initialize");
    assert!(!pair.greeting.is_probing(), "once");
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    // It may have ended for another reason.
    let mut pair = Pair::new(Manner { was_fatal: true, ..manner() });
    assert_eq!(pair.error("initialize", NO_METHOD), "probe-1");
    assert!(!pair.greeting.is_probing());
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
}

#[test]
fn t37_a_known_era_skips_the_other_question() {
    let mut pair = Pair::known(Era::Legacy);
    assert_eq!(pair.asked, "initialize");
    assert!(pair.greeting.deadline().is_none());
    // Nothing new was learned: the verdict keeps its date.
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows nothing");
    assert!(!pair.greeting.is_open());
    let mut pair = Pair::known(Era::Modern);
    assert_eq!(pair.asked, "probe-1");
    assert!(pair.greeting.deadline().is_none(), "it is not sent initialize for being slow");
    assert!(pair.greeting.trusts() && !pair.greeting.is_probing());
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
}

#[test]
fn t37_a_verdict_that_is_wrong_is_found_out_on_the_same_pipe() {
    let mut pair = Pair::known(Era::Modern);
    assert_eq!(pair.error("probe-1", NO_METHOD), "initialize");
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows legacy");
    for error in [NO_METHOD, &refused(r#"["2026-07-28"]"#)] {
        let mut pair = Pair::known(Era::Legacy);
        assert_eq!(pair.error("initialize", error), "probe-1");
        assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
    }
}

#[test]
fn t36_who_is_not_of_the_only_era_that_is_allowed_fails_and_says_what_it_speaks() {
    let mut pair = Pair::forced(EraChoice::Modern);
    assert_eq!((&*pair.asked, pair.greeting.deadline()), ("probe-1", None));
    assert!(!pair.greeting.is_probing());
    assert_eq!(pair.error("probe-1", NO_METHOD), "initialize", "to find out");
    let said = pair.result("initialize", INITIALIZED);
    failed(&said, &["speaks only revisions with a handshake", "2025-06-18", "era = \"modern\""]);
    let mut pair = Pair::forced(EraChoice::Legacy);
    assert_eq!(pair.asked, "initialize");
    let said = pair.error("initialize", &refused(r#"["2026-07-28"]"#));
    failed(&said, &["speaks only revision 2026-07-28", "era = \"legacy\""]);
    let mut pair = Pair::forced(EraChoice::Legacy);
    failed(&pair.error("initialize", NO_METHOD), &["answered initialize", "-32601"]);
    let mut pair = Pair::forced(EraChoice::Legacy);
    assert_eq!(pair.result("initialize", INITIALIZED), "ready legacy, shows nothing");
    let mut pair = Pair::forced(EraChoice::Modern);
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
}

#[test]
fn w284_what_else_is_said_during_the_probe_is_dropped() {
    let mut pair = Pair::auto();
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#,
        r#"{"jsonrpc":"2.0","id":"stdiod-probe-2","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"stdiod-probe-2","error":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"x"}}"#,
    ] {
        assert_eq!(pair.hears(line), "taken", "{line}");
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(pair.hears(ping), "nothing", "which others answer");
    assert_eq!(pair.result("probe-1", DISCOVERED), "ready modern, shows modern");
    let other = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    assert_eq!(pair.hears(other), "nothing");
}

#[test]
fn an_error_to_nobody_answers_the_question_that_is_open() {
    let nobodys = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}"#;
    let mut pair = Pair::auto();
    assert_eq!(pair.hears(nobodys), "initialize");
    failed(&pair.hears(nobodys), &["-32600"]);
}

#[test]
fn nonsense_in_the_handshake_is_a_failure_and_no_wait() {
    let spoilt = |pair: &mut Pair, id: &str| {
        let heard = pair.greeting.spoilt(&RawId::new(id), "it is blue");
        pair.said(heard)
    };
    let mut pair = Pair::auto();
    assert_eq!(spoilt(&mut pair, "1"), "nothing");
    assert_eq!(spoilt(&mut pair, "\"stdiod-probe-1\""), "initialize");
    failed(&spoilt(&mut pair, "1"), &["initialize", "it is blue"]);
    for nonsense in ["3", "{}", r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#] {
        let mut pair = Pair::known(Era::Legacy);
        failed(&pair.result("initialize", nonsense), &["initialize", "protocolVersion"]);
    }
}

#[test]
fn a_client_is_introduced_as_it_introduced_itself() {
    let params = r#"{"protocolVersion":"2026-07-28","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}"#;
    let hello = Hello::of_client(&Params::of(Some(params)));
    let server = ServerName::new("key").unwrap();
    let now = Instant::now();
    let legacy = Manner { choice: EraChoice::Legacy, ..manner() };
    assert_eq!(
        Greeting::begin(&hello, &server, legacy, now).1,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}}"#
    );
    assert_eq!(
        Greeting::begin(&hello, &server, manner(), now).1,
        r#"{"jsonrpc":"2.0","id":"stdiod-probe-1","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","x":1}}}}"#
    );
}

#[test]
fn a_result_whose_members_stand_twice_fails_the_greeting_by_name() {
    let twice = INITIALIZED.replacen('{', r#"{"protocolVersion":"2025-06-18","#, 1);
    let mut pair = Pair::forced(EraChoice::Legacy);
    failed(&pair.result("initialize", &twice), &["its answer to initialize", "twice"]);
    let twice = DISCOVERED.replacen('{', r#"{"capabilities":{},"#, 1);
    let mut pair = Pair::auto();
    assert_eq!(pair.result("probe-1", &twice), "initialize");
    failed(&pair.error("initialize", NO_METHOD), &["server/discover", "each member once"]);
    let twice = DISCOVERED.replacen('{', r#"{"name":"a","name":"b","#, 1);
    assert_eq!(Pair::auto().result("probe-1", &twice), "ready modern, shows modern");
}
