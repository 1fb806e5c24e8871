//! A call that tells of thousands of steps before its result.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::effort::Bench;
use super::found::Found;
use crate::client::open_session;
use crate::events::Events;
use crate::messages;
use crate::wire::Wire;

const TIME_MAX: Duration = Duration::from_secs(20);
/// How long events may come on the standing stream after the result.
const GRACE: Duration = Duration::from_millis(300);

/// What came of one call's events.
struct Seen {
    /// Which steps, by their number less one.
    steps: Vec<bool>,
    last: usize,
    unordered: usize,
    late: usize,
    has_result: bool,
}

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    let path = &bridge.paths[0];
    let count = bench.effort.events;
    let mut wire = Wire::connect(bridge.address).await?;
    let session = open_session(&mut wire, path).await?;
    let seen = Rc::new(RefCell::new(Seen::none_of(count)));
    // Some bridges send there what belongs to a call.
    let mut stream = Wire::connect(bridge.address).await?;
    stream.send(&messages::get(path, &session)).await?;
    stream.head().await?;
    let standing = tokio::task::spawn_local(listen(stream, Rc::clone(&seen)));
    let (mut lost, mut unordered, mut late, mut rates) = (0, 0, 0, Vec::new());
    for id in 1..=bench.effort.event_calls {
        *seen.borrow_mut() = Seen::none_of(count);
        let request = messages::post(path, &session, &messages::progress(100 + id, count));
        let start = Instant::now();
        let call = call(&mut wire, &request, &seen);
        let took = tokio::time::timeout(TIME_MAX, call).await;
        took.map_err(|_| "the result did not come within 20 s")??;
        let came = seen.borrow().steps.iter().filter(|step| **step).count();
        rates.push(came as f64 / start.elapsed().as_secs_f64());
        if came < count {
            tokio::time::sleep(GRACE).await;
        }
        let seen = seen.borrow();
        lost += seen.steps.iter().filter(|step| !**step).count();
        unordered += seen.unordered;
        late += seen.late;
    }
    standing.abort();
    found.put("progress.rate", crate::figures::median(rates));
    found.put("progress.lost", lost as f64);
    found.put("progress.unordered", unordered as f64);
    found.put("progress.late", late as f64);
    Ok(())
}

async fn call(wire: &mut Wire, request: &[u8], seen: &RefCell<Seen>) -> Result<(), String> {
    wire.send(request).await?;
    wire.head().await?;
    let mut events = Events::default();
    while let Some(piece) = wire.piece().await? {
        let piece = &wire.read_in()[piece];
        if wire.is_events {
            events.feed(piece, |message| seen.borrow_mut().hear(message));
        } else {
            // The events went elsewhere, or nowhere.
            seen.borrow_mut().hear(piece);
        }
    }
    if wire.status == 200 && seen.borrow().has_result {
        Ok(())
    } else {
        Err(wire.unexpected("a result"))
    }
}

/// Until the connection ends.
async fn listen(mut stream: Wire, seen: Rc<RefCell<Seen>>) {
    let mut events = Events::default();
    while let Ok(Some(piece)) = stream.piece().await {
        events.feed(&stream.read_in()[piece], |message| seen.borrow_mut().hear(message));
    }
}

// === impl Seen ===

impl Seen {
    fn none_of(count: usize) -> Self {
        let steps = vec![false; count];
        Self { steps, last: 0, unordered: 0, late: 0, has_result: false }
    }

    fn hear(&mut self, message: &[u8]) {
        let name = b"\"progress\":";
        let Some(at) = memmem::find(message, name) else {
            self.has_result |= memmem::find(message, b"\"result\"").is_some();
            return;
        };
        let digits = message[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let step = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit & 15));
        self.unordered += usize::from(step <= self.last);
        self.late += usize::from(self.has_result);
        self.last = step;
        if let Some(seen) = step.checked_sub(1).and_then(|place| self.steps.get_mut(place)) {
            *seen = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_out_of_order_or_late_is_counted() {
        let mut seen = Seen::none_of(4);
        for step in [1, 3, 2] {
            seen.hear(
                format!(r#"{{"params":{{"progressToken":1,"progress":{step}}}}}"#).as_bytes(),
            );
        }
        assert_eq!((seen.unordered, seen.late, seen.has_result), (1, 0, false));
        seen.hear(br#"{"id":1,"result":{}}"#);
        assert_eq!(seen.steps, [true, true, true, false]);
        seen.hear(br#"{"params":{"progressToken":1,"progress":4}}"#);
        assert_eq!((seen.unordered, seen.late, seen.has_result), (1, 1, true));
    }
}
