//! Lines are held against those of `tracing_subscriber::fmt`, which set the form they have.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use tracing::subscriber::with_default;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// What somebody else writes.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

/// Logs while it is written, as no value should.
struct Loud;

// === impl Page ===

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Loud ===

impl fmt::Debug for Loud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!("within");
        f.write_str("loud")
    }
}

/// Runs it with a subscriber that does as `fmt` would, and returns what that wrote.
fn theirs(shape: Shape, run: fn()) -> String {
    let page = Page::default();
    let held = page.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || held.clone());
    let lines = match shape {
        Shape::Json => lines.json().flatten_event(true).boxed(),
        Shape::Text(Text { time, colours }) => {
            let lines = lines.with_ansi(colours).with_target(false);
            if time { lines.boxed() } else { lines.without_time().boxed() }
        }
    };
    with_default(tracing_subscriber::registry().with(lines), run);
    page.text()
}

/// The same with ours.
fn ours(shape: Shape, run: fn()) -> String {
    let gatherer = Arc::new(Gatherer::new());
    let lines = Lines::new(shape, Arc::clone(&gatherer));
    with_default(tracing_subscriber::registry().with(lines), run);
    gatherer.waiting()
}

/// No two lines are said at the same time.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('Z').filter(|at| *at >= 26) {
        let time = &rest[at - 26..at];
        let digits = time.bytes().filter(u8::is_ascii_digit).count();
        out.push_str(if digits == 20 { &rest[..at - 26] } else { &rest[..at] });
        out.push('Z');
        rest = &rest[at + 1..];
    }
    out + rest
}

const SHAPES: [Shape; 4] = [
    Shape::Json,
    Shape::Text(Text { time: true, colours: true }),
    Shape::Text(Text { time: true, colours: false }),
    Shape::Text(Text { time: false, colours: false }),
];

#[track_caller]
fn same(run: fn()) {
    for shape in SHAPES {
        let (theirs, ours) = (theirs(shape, run), ours(shape, run));
        assert!(!ours.is_empty());
        assert_eq!(timeless(&ours), timeless(&theirs), "{shape:?}");
    }
}

#[test]
fn the_line_of_a_call_reads_as_it_should() {
    let line = ours(Shape::Json, || {
        tracing::info!(
            target: "stdiod::call",
            server = %"echo",
            method = "tools/call",
            name = Some("say"),
            client = None::<&str>,
            outcome = ?Some(1),
            ms = 0.25,
            bytes = 1024,
            "call"
        );
    });
    assert_eq!(
        timeless(&line),
        r#"{"timestamp":"Z","level":"INFO","message":"call","server":"echo","method":"tools/call","name":"say","outcome":"Some(1)","ms":0.25,"bytes":1024,"target":"stdiod::call"}
"#
    );
}

#[test]
fn lines_have_the_form_they_always_had() {
    same(|| {
        tracing::trace!("every");
        tracing::debug!("level");
        tracing::info!(server = %"a b", "has");
        tracing::warn!(target: "stdiod::other", why = "its", "own");
        tracing::error!(code = -7, "colour");
    });
}

#[test]
fn values_of_every_kind_are_written() {
    same(|| {
        tracing::info!(yes = true, no = false, least = i64::MIN, most = u64::MAX, none = 0);
        tracing::info!(wide = u128::MAX, bytes = &b"abc"[..], r#type = "raw", r#match = ?1);
        tracing::info!(debug = ?vec![Some("a\n\"b\"")], display = %"a\n\"b\"\x1b[0m");
        tracing::info!(nan = f64::NAN, infinite = f64::NEG_INFINITY);
        tracing::info!(option = Some(3), nothing = None::<u8>, "odd name" = 1);
        tracing::info!(message = "a \"text\" as its message");
        tracing::info!(message = 17);
        tracing::info!("");
    });
}

#[test]
fn numbers_are_as_short_as_they_can_be() {
    for float in [
        0.0,
        -0.0,
        1.0,
        0.1,
        0.01,
        0.001,
        0.0001,
        0.101,
        0.12,
        0.25,
        1.5,
        12.034,
        999.999,
        1e9,
        1e12,
        1e15,
        1e16,
        1e17,
        1e-7,
        123_456_789.012,
        0.1 + 0.2,
        -2.5,
        f64::MAX,
        f64::MIN_POSITIVE,
    ] {
        thread_local!(static FLOAT: std::cell::Cell<f64> = const { std::cell::Cell::new(0.0) });
        FLOAT.set(float);
        same(|| tracing::info!(value = FLOAT.get()));
    }
}

#[test]
fn what_could_harm_a_reader_is_escaped() {
    same(|| {
        for text in ["\x1b[31mred", "bell\x07", "\x08\x0c\x7f", "\u{9b}31m", "tab\tbreak\nreturn\r"]
        {
            tracing::info!("{text}");
            tracing::info!(text, shown = %text, debugged = ?text);
        }
        for length in 0..20 {
            // Each place among eight bytes, and each kind of them.
            let plain = "é".to_owned() + &"x".repeat(length);
            for odd in
                ["\"", "\\", "\0", "\x1f", " ", "!", "\u{7f}", "\u{80}", "ÿ", "\u{2028}", "😀"]
            {
                let text = format!("{plain}{odd}{plain}");
                tracing::info!(text, shown = %odd, "{text}{odd}");
            }
        }
    });
}

#[test]
fn spans_are_told_with_their_fields() {
    same(|| {
        let outer =
            tracing::info_span!("outer", z = 1, text = "a \"b\"", late = tracing::field::Empty);
        let inner = tracing::info_span!(parent: &outer, "inner");
        tracing::info!("in none");
        let entered = outer.enter();
        tracing::info!("in one");
        outer.record("late", 2.5);
        outer.record("z", 3);
        tracing::info!(n = 1, "in one that has learned");
        inner.in_scope(|| tracing::info!("in two"));
        tracing::info!(parent: &inner, "in one and of another");
        drop(entered);
        tracing::info!(parent: &inner, "of one and in none");
    });
}

#[test]
fn a_value_may_log_while_it_is_written() {
    same(|| tracing::info!(value = ?Loud, "around"));
}

/// A gatherer whose thread writes as this does.
fn written_by(write: impl Fn(&[u8]) -> io::Result<usize> + Send + 'static) -> Arc<Gatherer> {
    let gatherer = Arc::new(Gatherer::new());
    let held = Arc::clone(&gatherer);
    std::thread::spawn(move || {
        let mut lines = Vec::new();
        // Until nobody can say anything more.
        while Arc::strong_count(&held) > 1 {
            held.write_next(&mut lines, &write, |lost| held.take(&format!("lost {lost}\n"), true));
        }
    });
    gatherer
}

fn handed_over() -> (SyncSender<String>, Receiver<String>) {
    sync_channel(16)
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn lines_that_come_together_are_written_together() {
    let (sender, receiver) = handed_over();
    let gatherer = written_by(move |bytes| {
        sender.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    });
    gatherer.take("one\n", false);
    gatherer.take("two\n", false);
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), "one\ntwo\n");
    gatherer.take("three\n", true);
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), "three\n");
    gatherer.take("four\n", false);
    gatherer.flush(LONG);
    assert_eq!(receiver.try_recv().unwrap(), "four\n", "it was waited for");
}

#[test]
fn what_finds_no_room_is_counted_and_told_when_it_flows_again() {
    let (sender, receiver) = handed_over();
    let (open, gate) = sync_channel::<()>(0);
    let gate = Mutex::new(gate);
    let gatherer = written_by(move |bytes| {
        // Until the sender is gone.
        gate.lock().unwrap().recv().ok();
        sender.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    });
    gatherer.take("stuck\n", true);
    let long = "x".repeat(1023) + "\n";
    let took = std::time::Instant::now();
    while !gatherer.waiting().is_empty() {
        assert!(took.elapsed() < LONG);
    }
    for _ in 0..1024 + 3 {
        gatherer.take(&long, false);
    }
    gatherer.flush(Duration::from_millis(20));
    assert!(receiver.try_recv().is_err(), "whoever flushes gives up");
    drop(open);
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), "stuck\n");
    assert_eq!(receiver.recv_timeout(LONG).unwrap().len(), 1024 * 1024);
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), "lost 3\n");
}

#[test]
fn a_standard_error_that_fails_costs_lines_and_no_more() {
    let (sender, receiver) = handed_over();
    let failures = Mutex::new(vec![io::ErrorKind::BrokenPipe, io::ErrorKind::Interrupted]);
    let gatherer = written_by(move |bytes| {
        if let Some(kind) = failures.lock().unwrap().pop() {
            return Err(kind.into());
        }
        let some = bytes.len().min(4);
        sender.send(String::from_utf8(bytes[..some].to_vec()).unwrap()).unwrap();
        Ok(some)
    });
    gatherer.take("one\ntwo\n", true);
    gatherer.flush(LONG);
    assert!(receiver.try_recv().is_err());
    gatherer.take("three\n", true);
    let mut said = String::new();
    while !said.ends_with("lost 2\n") {
        said += &receiver.recv_timeout(LONG).unwrap();
    }
    assert_eq!(said, "three\nlost 2\n");
}
