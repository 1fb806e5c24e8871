//! What wakes a connection's task, but for one ring that means nothing.
//!
//! The library rings for room for more when a part of a body is taken, also when that part was the last. A connection whose
//! requests come in one piece would be tended three times for each instead of twice. So a body is read [`quietly`], and the ring
//! passed on if there is more to come.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Hands a future wakers that can be kept quiet.
#[derive(Debug, Default)]
pub(super) struct Bell(Option<Wires>);

#[derive(Debug)]
struct Wires {
    task: Waker,
    button: Waker,
}

#[derive(Debug)]
struct Button(Waker);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hush {
    Off,
    On,
    Rung,
}

thread_local! {
    /// Of this thread alone, so that nothing that another has to say is ever missed.
    static HUSH: Cell<Hush> = const { Cell::new(Hush::Off) };
}

/// Ends a hush, however what is done in it ends.
struct Quiet;

/// Does something that may ring the bell of the task that does it, and of no other, and tells whether it tried.
pub(super) fn quietly<T>(ring: impl FnOnce() -> T) -> (T, bool) {
    HUSH.set(Hush::On);
    let _quiet = Quiet;
    let done = ring();
    (done, HUSH.get() == Hush::Rung)
}

// === impl Bell ===

impl Bell {
    pub(super) fn poll<F: Future>(
        &mut self,
        future: Pin<&mut F>,
        cx: &Context<'_>,
    ) -> Poll<F::Output> {
        let wires = self.0.take().filter(|wires| wires.task.will_wake(cx.waker()));
        let wires = self.0.insert(wires.unwrap_or_else(|| Wires::to(cx.waker())));
        future.poll(&mut Context::from_waker(&wires.button))
    }
}

// === impl Wires ===

impl Wires {
    fn to(task: &Waker) -> Self {
        Self { task: task.clone(), button: Arc::new(Button(task.clone())).into() }
    }
}

// === impl Quiet ===

impl Drop for Quiet {
    fn drop(&mut self) {
        HUSH.set(Hush::Off);
    }
}

// === impl Button ===

impl Wake for Button {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HUSH.get() == Hush::Off {
            self.0.wake_by_ref();
        } else {
            HUSH.set(Hush::Rung);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::JoinSet;

    use super::*;
    use crate::http::connection::Patience;

    const WORK: Duration = Duration::from_millis(100);
    const PAUSE: Duration = Duration::from_millis(10);

    /// Reads bodies of six bytes, takes its time, and answers with them. Counts how often it is tended.
    async fn serve(near: DuplexStream, turns: Arc<AtomicU32>) {
        let patience = Patience::new();
        let service = service_fn(|request: Request<Incoming>| {
            let mut stall = patience.stall(request.version());
            async move {
                let (mut incoming, mut all) = (request.into_body(), Vec::new());
                while all.len() < 6 {
                    let part = poll_fn(|cx| stall.poll_part(&mut incoming, cx)).await;
                    all.extend_from_slice(part.unwrap().unwrap().data_ref().unwrap());
                }
                tokio::time::sleep(WORK).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(all))))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(near), service);
        let (mut connection, mut bell) = (pin!(connection), Bell::default());
        let tended = poll_fn(|cx| {
            turns.fetch_add(1, Ordering::Relaxed);
            bell.poll(connection.as_mut(), cx)
        });
        tended.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_whole_takes_a_turn_and_its_answer_another() {
        let length = "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\n";
        let whole = format!("{length}abcdef");
        assert_eq!(turns(&[&whole], 1).await, 2);
        assert_eq!(turns(&[&whole.repeat(3)], 3).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_in_parts_is_never_left_waiting() {
        let length = "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\n";
        let awaited = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
        turns(&[length, "abcdef"], 1).await;
        turns(&[length, "ab", "cd", "ef"], 1).await;
        turns(&[awaited, "abcdef"], 1).await;
        turns(&[&format!("{awaited}abcdef")], 1).await;
        turns(&[&format!("{chunked}{chunks}")], 1).await;
        turns(&[chunked, &chunks[..12], &chunks[12..]], 1).await;
    }

    /// How often a connection is tended for these pieces and the answers to the requests that they are. All goes over it twice.
    async fn turns(pieces: &[&str], answers: usize) -> u32 {
        let (near, mut far) = tokio::io::duplex(4096);
        let turns = Arc::<AtomicU32>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(near, Arc::clone(&turns)));
        let mut counts = [0; 2];
        for count in &mut counts {
            tokio::time::sleep(PAUSE).await;
            turns.store(0, Ordering::Relaxed);
            for piece in pieces {
                far.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(PAUSE).await;
            }
            let mut said = Vec::new();
            while said.windows(6).filter(|part| part == b"abcdef").count() < answers {
                let read = tokio::time::timeout(10 * WORK, far.read_buf(&mut said)).await;
                read.unwrap_or_else(|_| panic!("{pieces:?} wait for ever")).unwrap();
            }
            *count = turns.load(Ordering::Relaxed);
        }
        drop(far);
        serving.join_next().await.unwrap().unwrap();
        assert_eq!(counts[0], counts[1], "{pieces:?}");
        counts[1]
    }
}
