//! One connection, from the first byte to the last: it ends when its client leaves, when its listener closes and the request in hand
//! is answered, or when nothing has happened on it for long.
//!
//! None of that costs a request anything: no timer is set for one, and nothing is asked that has not said it has news.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Version;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::rt::{Sleep, Timer};
use tokio::sync::Notify;

use super::bell::{Bell, quietly};

/// The closing of a listener, as its connections see it.
#[derive(Debug, Default)]
pub(super) struct Curfew {
    said: AtomicBool,
    told: Notify,
}

/// Watches for heads and bodies that do not come. The library asks for a timer before each head; here that is a mark on a watch
/// which is looked at now and then.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    /// A head is waited for, as it is from the first moment on.
    waiting: AtomicBool,
    /// Looks at which it was still the same head that was waited for.
    looks: AtomicU32,
    born: Instant,
}

/// The waiting for one head. How long it lasts is seen by who tends the connection, so there is nothing to keep of it.
#[derive(Debug)]
struct Waiting;

/// The waiting for the next part of a body.
#[derive(Debug)]
pub(super) enum Stall<'a> {
    /// Looks are taken by the task that reads.
    Looked { patience: &'a Patience, since: u32 },
    /// Another task reads, which nobody would wake.
    Timed(Option<Pin<Box<tokio::time::Sleep>>>),
}

/// A connection on which nothing happens, between requests or within a head, is closed after this. It is longer than any client
/// keeps one, so that no request meets a closing connection.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a body may stand still.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A request may be on its way when its listener closes, or lie unread already: no connection is closed before it was looked for.
pub(super) const LINGER: Duration = Duration::from_millis(5);

const LOOK: Duration = Duration::from_secs(20);
const IDLE_LOOKS: u32 = 45;
const STALL_LOOKS: u32 = 4;

/// Serves a connection until it ends. `end` asks it to do so once the request in hand is answered.
pub(super) async fn tend<C, E>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    patience: &Patience,
    curfew: &Curfew,
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let (mut connection, mut told) = (pin!(connection), pin!(curfew.told.notified()));
    let mut look = pin!(tokio::time::sleep(LOOK));
    let (mut begun, mut leaving, mut ending) = (false, false, false);
    let mut bell = Bell::default();
    std::future::poll_fn(|cx| {
        if !begun {
            begun = true;
            // From here on both wake this task by themselves.
            let _ = told.as_mut().poll(cx);
            let _ = look.as_mut().poll(cx);
        }
        if !leaving && curfew.said.load(Ordering::Relaxed) {
            leaving = true;
            look.as_mut().reset(tokio::time::Instant::now() + LINGER);
            let _ = look.as_mut().poll(cx);
        }
        if look.is_elapsed() {
            if leaving && !ending {
                ending = true;
                // What has come until now is read before it ends.
                if let Poll::Ready(ended) = bell.poll(connection.as_mut(), cx) {
                    return Poll::Ready(ended);
                }
                end(connection.as_mut());
            }
            patience.0.looks.fetch_add(1, Ordering::Relaxed);
            look.as_mut().reset(tokio::time::Instant::now() + LOOK);
            let _ = look.as_mut().poll(cx);
            if patience.0.is_over() {
                // What has come since the last look counts.
                let polled = bell.poll(connection.as_mut(), cx);
                return if patience.0.is_over() { Poll::Ready(Ok(())) } else { polled };
            }
        }
        bell.poll(connection.as_mut(), cx)
    })
    .await
}

// === impl Curfew ===

impl Curfew {
    /// Waits until the listener closes.
    pub(super) async fn said(&self) {
        let mut told = pin!(self.told.notified());
        // Asked for before looking, so that it cannot be said in between.
        told.as_mut().enable();
        if !self.said.load(Ordering::Relaxed) {
            told.await;
        }
    }

    pub(super) fn say(&self) {
        self.said.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }
}

// === impl Patience ===

impl Patience {
    pub(super) fn new() -> Self {
        let (waiting, looks) = (AtomicBool::new(true), AtomicU32::new(0));
        Self(Arc::new(Watch { waiting, looks, born: Instant::now() }))
    }

    /// The client has made a request.
    pub(super) fn meet(&self) {
        self.0.waiting.store(false, Ordering::Relaxed);
    }

    fn looks(&self) -> u32 {
        self.0.looks.load(Ordering::Relaxed)
    }

    /// Waits for the parts of the body of a request of this version.
    pub(super) fn stall(&self, version: Version) -> Stall<'_> {
        if version < Version::HTTP_2 {
            Stall::Looked { patience: self, since: self.looks() }
        } else {
            Stall::Timed(None)
        }
    }
}

impl Timer for Patience {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.looks.store(0, Ordering::Relaxed);
        self.0.waiting.store(true, Ordering::Relaxed);
        Box::pin(Waiting)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(IDLE_MAX)
    }

    /// Only ever the beginning of something whose end is not looked at.
    fn now(&self) -> Instant {
        self.0.born
    }
}

// === impl Stall ===

impl Stall<'_> {
    /// Takes the next part of a body; an error if it breaks off or stands still.
    pub(super) fn poll_part(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        let part = match self {
            Self::Looked { .. } => {
                let (part, rung) = quietly(|| Pin::new(&mut *incoming).poll_frame(cx));
                if rung && !(part.is_ready() && incoming.is_end_stream()) {
                    cx.waker().wake_by_ref();
                }
                part
            }
            Self::Timed(_) => Pin::new(incoming).poll_frame(cx),
        };
        if let Poll::Ready(part) = part {
            self.ends();
            return Poll::Ready(part.map(|part| part.map_err(drop)));
        }
        self.poll_over(cx).map(|()| Some(Err(())))
    }

    /// Something has come.
    fn ends(&mut self) {
        match self {
            Self::Looked { patience, since } => *since = patience.looks(),
            Self::Timed(timer) => *timer = None,
        }
    }

    /// Nothing has come. Ready once that has lasted too long.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Looked { patience, since } => {
                let looks = patience.looks() - *since;
                if looks >= STALL_LOOKS { Poll::Ready(()) } else { Poll::Pending }
            }
            Self::Timed(timer) => timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_MAX)))
                .as_mut()
                .poll(cx),
        }
    }
}

// === impl Watch ===

impl Watch {
    fn is_over(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && self.looks.load(Ordering::Relaxed) > IDLE_LOOKS
    }
}

// === impl Waiting ===

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time;

    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up_and_a_slow_one_is_not() {
        for (version, parts, lasts) in [
            (Version::HTTP_11, 1, STALL_MAX),
            (Version::HTTP_11, 10, 10 * STALL_MAX),
            (Version::HTTP_2, 10, 10 * STALL_MAX),
        ] {
            let patience = Patience::new();
            let mut stall = patience.stall(version);
            let begun = time::Instant::now();
            let looking = async {
                loop {
                    time::sleep(LOOK).await;
                    patience.0.looks.fetch_add(1, Ordering::Relaxed);
                }
            };
            let reading = async {
                for _ in 1..parts {
                    time::sleep(STALL_MAX.saturating_sub(LOOK / 2)).await;
                    stall.ends();
                }
                std::future::poll_fn(|cx| stall.poll_over(cx)).await;
            };
            // Looks wake whoever reads.
            let both = async {
                tokio::select! { () = looking => {}, () = reading => {} }
            };
            both.await;
            let lasted = begun.elapsed();
            assert!(lasted + parts * LOOK > lasts && lasted < lasts + 3 * LOOK, "{lasted:?}");
        }
    }

    async fn serve(near: DuplexStream, curfew: Arc<Curfew>, takes: Duration) {
        let patience = Patience::new();
        let met = patience.clone();
        let service = service_fn(move |_: Request<Incoming>| {
            met.meet();
            async move {
                time::sleep(takes).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"answer"))))
            }
        });
        let mut server = http1::Builder::new();
        server.timer(patience.clone()).header_read_timeout(IDLE_MAX);
        let connection = server.serve_connection(TokioIo::new(near), service);
        // How it ended is seen at the other end.
        tend(connection, http1::Connection::graceful_shutdown, &patience, &curfew).await.ok();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_not_waited_for_for_ever() {
        let half = &HEAD[..20];
        for said in [&b""[..], half, HEAD, &[HEAD, half].concat()] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (curfew, begun) = (Arc::new(Curfew::default()), time::Instant::now());
            let serving = serve(near, curfew, Duration::ZERO);
            let client = async {
                far.write_all(said).await.unwrap();
                let mut rest = Vec::new();
                far.read_to_end(&mut rest).await.unwrap();
                begun.elapsed()
            };
            let ((), lasted) = tokio::join!(serving, client);
            assert!(lasted >= IDLE_MAX && lasted <= IDLE_MAX + 2 * LOOK, "{lasted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_in_the_last_moment_is_answered() {
        let (near, mut far) = tokio::io::duplex(4096);
        let serving = serve(near, Arc::default(), Duration::ZERO);
        let client = async move {
            time::sleep(LOOK * (IDLE_LOOKS + 1)).await;
            far.write_all(HEAD).await.unwrap();
            let mut answer = vec![0; 12];
            far.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, b"HTTP/1.1 200");
        };
        // The request is there by the time that the connection is looked at.
        tokio::join!(biased; client, serving);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_however_long_it_takes() {
        let (near, mut far) = tokio::io::duplex(4096);
        let serving = serve(near, Arc::default(), 10 * IDLE_MAX);
        let client = async move {
            far.write_all(HEAD).await.unwrap();
            let mut answer = vec![0; 12];
            far.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, b"HTTP/1.1 200");
        };
        tokio::join!(serving, client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_curfew_ends_what_is_idle_at_once_and_the_rest_with_its_answer() {
        let long = Duration::from_secs(5);
        for (said, lasts) in [(&b""[..], Duration::ZERO), (HEAD, long)] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (curfew, begun) = (Arc::new(Curfew::default()), time::Instant::now());
            let serving = serve(near, Arc::clone(&curfew), long);
            let client = async {
                far.write_all(said).await.unwrap();
                time::sleep(Duration::from_millis(1)).await;
                curfew.say();
                let mut rest = Vec::new();
                far.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest.ends_with(b"answer"), !said.is_empty());
            };
            tokio::join!(serving, client);
            assert_eq!(begun.elapsed().as_secs(), lasts.as_secs());
        }
    }
}
