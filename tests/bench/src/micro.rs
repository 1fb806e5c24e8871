//! Single steps of the path, counted and timed in this process.
//!
//! `copied` is what a step writes of the message into new memory; each step says it itself, from the lengths of what it
//! made.

use std::alloc::System;
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stdiod::bridge::front::{FrontCard, Principal, Who};
use stdiod::bridge::greeting::{Abilities, Hello};
use stdiod::bridge::lane::AskSet;
use stdiod::bridge::outlet::{Event, Offer, Outlet, Weight};
use stdiod::bridge::switchboard::{Caller, Limits, Order, Reach, Switchboard, Tenancy};
use stdiod::bridge::turn::Turn;
use stdiod::wire::frame::Frame;
use stdiod::wire::id::{CallId, FrontId, ServerName};
use stdiod::wire::splice::Patch;
use stdiod::wire::sse;
use stdiod::wire::version::Version;

use crate::figures::median;
use crate::messages;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls in one batch; they are in flight together.
const BATCH: usize = 64;

/// Batches whose median is told, and those before that only warm up.
const BATCHES: usize = 301;
const WARM_UP: usize = 20;

/// What one batch cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    allocations: usize,
    bytes: usize,
    copied: usize,
    time: Duration,
}

/// Where the switchboard puts its events.
#[derive(Clone, Default)]
struct Letters(Rc<RefCell<Vec<Event>>>);

impl Outlet for Letters {
    fn offer(&self, event: Event, _: Weight) -> Offer {
        self.0.borrow_mut().push(event);
        Offer::Taken
    }

    fn is_gone(&self) -> bool {
        false
    }
}

pub fn run() {
    println!("For each call, medians of {BATCHES} batches of {BATCH}:\n");
    println!("| step | allocations | bytes allocated | bytes copied | ns |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    steps();
    switchboard();
    streams();
}

/// Runs `step` once for each call of a batch, and tells what that cost. The step gives the bytes it copied.
fn cost(step: impl FnMut(usize) -> usize) -> Cost {
    let before = COUNTING.stats();
    let start = Instant::now();
    let copied = (0..BATCH).map(step).sum();
    let time = start.elapsed();
    let after = COUNTING.stats();
    Cost {
        allocations: after.allocations + after.reallocations
            - before.allocations
            - before.reallocations,
        bytes: after.bytes_allocated - before.bytes_allocated,
        copied,
        time,
    }
}

fn show(name: &str, mut batch: impl FnMut() -> Cost) {
    for _ in 0..WARM_UP {
        batch();
    }
    let costs: Vec<Cost> = (0..BATCHES).map(|_| batch()).collect();
    let each = |value: fn(&Cost) -> f64| median(costs.iter().map(value).collect()) / BATCH as f64;
    println!(
        "| {name} | {:.2} | {:.0} | {:.0} | {:.0} |",
        each(|cost| cost.allocations as f64),
        each(|cost| cost.bytes as f64),
        each(|cost| cost.copied as f64),
        each(|cost| cost.time.as_nanos() as f64),
    );
}

fn steps() {
    let call = Bytes::from(messages::call(1));
    let answer = Bytes::from(messages::answer(1));
    for (name, text) in [("skim a call", &call), ("skim its result", &answer)] {
        let name = format!("{name} ({} bytes)", text.len());
        show(&name, || cost(|_| black_box(Frame::skim(black_box(text.clone()))).map_or(0, |_| 0)));
    }
    let frame = Frame::skim(answer).expect("an answer is a message");
    let at = frame.id_span().expect("an answer has an id");
    show("splice another id into the result", || {
        cost(|_| black_box(frame.splice(&[Patch { at, with: b"100000001" }])).len())
    });
}

/// From the body of a POST to the line for the child, and from the child's line to the event for the client.
fn switchboard() {
    let limits = Limits::new(ServerName::new("echo").expect("a good name"));
    let mut board: Switchboard<Letters> =
        Switchboard::new(Tenancy::Shared, limits, 0, [0; 32], Instant::now());
    let mut turn = Turn::new(Instant::now());
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#;
    let abilities = Abilities::recalled(hello).expect("the child was not understood");
    board.ready(Box::new(abilities), &mut turn);
    let card = Arc::new(FrontCard {
        version: Version::NEWEST_LEGACY,
        principal: Principal::anonymous(),
        declared: AskSet::default(),
        client: "bench".into(),
        hello: Hello::nobody(),
        hears: true,
        since: None,
    });
    let who = Who { front: FrontId(1), card };
    turn.to_child.clear();

    let letters = Letters::default();
    let calls: Vec<Bytes> = (0..BATCH).map(|n| messages::call(n).into()).collect();
    let mut next = 0;
    let mut halves = |half: fn(Cost, Cost) -> Cost| {
        turn.now = Instant::now();
        let out = cost(|n| {
            next += 1;
            let request = Frame::skim(calls[n].clone()).expect("a good call");
            let reach = Reach::Own { outlet: letters.clone(), streams: true };
            let (call, caller) = (CallId(next), Caller::Front(who.clone()));
            board.order(Order::Call { call, caller, request, reach }, &mut turn);
            turn.to_child.last().map_or(0, Bytes::len)
        });
        let answers: Vec<Bytes> = turn.to_child.drain(..).map(reply_to).collect();
        assert_eq!(answers.len(), BATCH, "a call did not reach the child");
        let back = cost(|n| {
            let frame = Frame::skim(answers[n].clone()).expect("a good answer");
            board.line(&frame, &mut turn);
            board.deadline();
            turn.notes.clear();
            let event = letters.0.borrow_mut().pop();
            match event {
                Some(Event::Answer { text, error: None, .. }) => text.len(),
                other => panic!("no answer: {other:?}"),
            }
        });
        half(out, back)
    };
    show("switchboard: call to the child", || halves(|out, _| out));
    show("switchboard: answer to the client", || halves(|_, back| back));
    show("switchboard: both ways", || {
        halves(|out, back| Cost {
            allocations: out.allocations + back.allocations,
            bytes: out.bytes + back.bytes,
            copied: out.copied + back.copied,
            time: out.time + back.time,
        })
    });
}

/// The child's answer, as a piece of a larger buffer, as it comes from a pipe.
fn reply_to(line: Bytes) -> Bytes {
    let id = Frame::skim(line).ok().and_then(|frame| frame.id_number());
    let mut pipe = BytesMut::from(messages::answer(id.expect("a number")).as_bytes());
    pipe.extend_from_slice(b"\n");
    pipe.split_to(pipe.len() - 1).freeze()
}

fn streams() {
    let text = messages::answer(1);
    let mut out = BytesMut::new();
    show("write an event", || {
        out.clear();
        out.reserve(BATCH * 2 * text.len());
        cost(|_| {
            sse::event(&mut out, Some("1a2b-7"), text.as_bytes());
            text.len()
        })
    });
}
