//! Proof that a message is passed through and not taken apart: what it costs depends on its length alone.
//!
//! This binary has an allocator that counts, and one test, so that nothing else counts with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
use std::alloc::System;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stdiod::bridge::front::{FrontCard, Principal, Who};
use stdiod::bridge::greeting::{Abilities, Hello};
use stdiod::bridge::lane::AskSet;
use stdiod::bridge::outlet::{Event, Offer, Outlet, Weight};
use stdiod::bridge::switchboard::{Caller, Limits, Order, Reach, Switchboard, Tenancy};
use stdiod::bridge::turn::Turn;
use stdiod::wire::frame::Frame;
use stdiod::wire::id::{CallId, Flight, FrontId, ServerName, UpstreamId};
use stdiod::wire::sse;
use stdiod::wire::version::{Era, Version};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FRONT: FrontId = FrontId(1);

/// Bytes of each payload.
const SIZE: usize = 64 * 1024;

/// Beyond the copies of the text: small things such as a name for the log.
const SMALL: usize = 1024;

/// A switchboard with a child, a client, and what the client was told.
struct Bench {
    board: Switchboard<Letters>,
    caller: Caller,
    /// The eras of the client and of the child.
    cell: (Era, Era),
    turn: Turn,
    letters: Letters,
    calls: u64,
}

#[derive(Clone, Default)]
struct Letters(Rc<RefCell<Vec<Event>>>);

/// What something asked of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    allocations: usize,
    bytes: usize,
}

/// Every client on every child, and what a call with plain text costs there at most.
const CELLS: [((Era, Era), usize); 4] = [
    ((Era::Legacy, Era::Legacy), 6),
    ((Era::Modern, Era::Legacy), 6),
    ((Era::Legacy, Era::Modern), 6),
    ((Era::Modern, Era::Modern), 6),
];

#[test]
fn what_passes_through_costs_its_length_and_not_its_structure() {
    let text = format!("{:?}", "x".repeat(SIZE - 2));
    // 64 KiB of members, of numbers, and of small objects: a tree of them has thousands of nodes.
    let flat = [
        filled("{", |n| format!(r#""key{n:05}":null,"#), r#""end":0}"#),
        filled("[", |n| format!("1{n:05},"), "0]"),
        filled("[", |n| format!(r#"{{"a":[1{n:05}],"b":{{}}}},"#), "0]"),
    ];
    let deep = format!("{}{}", "[".repeat(SIZE / 2), "]".repeat(SIZE / 2));

    for (cell, most) in CELLS {
        let mut bench = Bench::new(cell);
        let plain = bench.least(&text);
        assert!(plain.allocations <= most, "{cell:?}: {plain:?}");
        let copies = "the text is copied three times at most";
        assert!(plain.bytes <= 3 * SIZE + SMALL, "{copies}, {cell:?}: {plain:?}");
        for payload in &flat {
            let cost = bench.least(payload);
            let same = cost.allocations <= plain.allocations && cost.bytes <= plain.bytes + SMALL;
            assert!(same, "{cell:?}: {cost:?}, and {plain:?} for a text");
        }
        // The reader notes a bit for each open bracket, beyond the first hundred in memory that doubles; a tree would cost a node for
        // each.
        let cost = bench.least(&deep);
        let same =
            cost.allocations <= plain.allocations + 2 * 7 && cost.bytes <= plain.bytes + SIZE / 4;
        assert!(same, "{cell:?}: {cost:?}, and {plain:?} for a text");
    }
}

fn filled(open: &str, part: impl Fn(usize) -> String, close: &str) -> String {
    let mut out = open.to_owned();
    for n in 0.. {
        if out.len() + 32 > SIZE {
            break;
        }
        out.push_str(&part(n));
    }
    out + close
}

// === impl Letters ===

impl Outlet for Letters {
    fn offer(&self, event: Event, _: Weight) -> Offer {
        self.0.borrow_mut().push(event);
        Offer::Taken
    }

    fn is_gone(&self) -> bool {
        false
    }
}

// === impl Bench ===

impl Bench {
    fn new(cell: (Era, Era)) -> Self {
        let (client, child) = cell;
        let limits = Limits::new(ServerName::new("s").unwrap());
        let mut board = Switchboard::new(Tenancy::Shared, limits, 0, [0; 32], Instant::now());
        let mut turn = Turn::new(Instant::now());
        let hello = match child {
            Era::Legacy => {
                r#"{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#
            }
            Era::Modern => {
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":0,"cacheScope":"private"}"#
            }
        };
        let abilities = Abilities::recalled(hello).expect("a sound answer");
        board.ready(Box::new(abilities), &mut turn);
        let version = match client {
            Era::Legacy => Version::NEWEST_LEGACY,
            Era::Modern => Version::MODERN,
        };
        let card = FrontCard {
            version,
            principal: Principal::anonymous(),
            declared: AskSet::default(),
            client: "test".into(),
            hello: Hello::nobody(),
            hears: true,
            since: None,
        };
        turn.to_child.clear();
        let caller = match client {
            Era::Legacy => Caller::Front(Who { front: FRONT, card: Arc::new(card) }),
            Era::Modern => Caller::Implicit(card),
        };
        Self { board, caller, cell, turn, letters: Letters::default(), calls: 0 }
    }

    /// The cost of a call whose arguments and result are this payload. The least of several, because the harness has a thread
    /// of its own, and because tables grow now and then.
    fn least(&mut self, payload: &str) -> Cost {
        (0..20).map(|_| self.call(payload)).min().unwrap()
    }

    fn call(&mut self, payload: &str) -> Cost {
        self.calls += 1;
        let (client, child) = self.cell;
        let meta = match client {
            Era::Legacy => "",
            Era::Modern => {
                r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
            }
        };
        let request = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{payload}{meta}}}}}"#
        ));
        let number = UpstreamId::call(CallId(self.calls), Flight::default()).0;
        let kind = |era| match era {
            Era::Legacy => "",
            Era::Modern => r#""resultType":"complete","#,
        };
        let said = kind(child);
        let answer =
            format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{{said}"out":{payload}}}}}"#);
        let answer = Bytes::from(answer);
        let told = match self.cell {
            // The child's name is put there too.
            (Era::Modern, Era::Legacy) => {
                r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"#
            }
            (era, _) => kind(era),
        };
        let expected = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{{told}"out":{payload}}}}}"#);

        let before = COUNTING.stats();
        let request = Frame::skim(request).unwrap();
        let reach = Reach::Own { outlet: self.letters.clone(), streams: true };
        let (call, caller) = (CallId(self.calls), self.caller.clone());
        self.board.order(Order::Call { call, caller, request, reach }, &mut self.turn);
        self.turn.to_child.clear();
        self.board.line(&Frame::skim(answer).unwrap(), &mut self.turn);
        self.turn.notes.clear();
        let Some(Event::Answer { mut text, error: None, .. }) = self.letters.0.borrow_mut().pop()
        else {
            panic!("no answer")
        };
        let text = text.join();
        let mut stream = BytesMut::new();
        sse::event(&mut stream, Some("1-1"), text);
        let after = COUNTING.stats();

        assert_eq!(*text, expected, "it arrives as it was sent");
        Cost {
            allocations: after.allocations + after.reallocations
                - before.allocations
                - before.reallocations,
            bytes: after.bytes_allocated - before.bytes_allocated,
        }
    }
}
