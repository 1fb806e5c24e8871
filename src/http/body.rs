//! What is sent back: nothing, one text, or events as they come.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::bridge::outlet::Event;
use crate::link::replies::Replies;
use crate::wire::id::EventId;
use crate::wire::sse;
use crate::wire::text::Text;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Text),
    Events(Box<Events>),
}

/// An event stream.
pub(super) struct Events {
    replies: Replies,
    /// Long texts, and what stands before each, to be handed over before `ready`.
    long: VecDeque<Bytes>,
    /// Written, not yet handed over.
    ready: BytesMut,
    ended: bool,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    stopping: Vec<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Dropped with the stream.
    companion: Option<Box<dyn Send + Sync>>,
}

/// How long a client is asked to wait before it comes back for a stream.
const RETRY_MS: u64 = 1000;

/// The same when we leave, or its server does. Some clients try twice and then never again, and a restart takes a while.
const AWAY_MS: u64 = 2000;

/// The same for a client whose session ends with its connection: nothing can be had before it is back.
const LOST_MS: u64 = 500;

/// So much is gathered before it is handed over.
const GATHER_MAX: usize = 64 * 1024;

/// A text from this length on is handed over as it is; a shorter one is copied behind its neighbours, so that many of
/// them leave at once.
const LONG: usize = 32 * 1024;

// === impl Body ===

impl Body {
    pub(super) fn empty() -> Self {
        Self::Whole(Text::default())
    }

    pub(super) fn whole(text: impl Into<Text>) -> Self {
        Self::Whole(text.into())
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(text) => Poll::Ready(text.take_piece().map(|data| Ok(Frame::data(data)))),
            Self::Events(events) => events.poll(cx).map(|data| data.map(|d| Ok(Frame::data(d)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(text) => text.is_empty(),
            Self::Events(events) => events.ended && events.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

// === impl Events ===

impl Events {
    pub(super) fn new(replies: Replies, keep_alive: Duration) -> Self {
        Self {
            replies,
            long: VecDeque::new(),
            ready: BytesMut::new(),
            ended: false,
            keep_alive,
            silence: Box::pin(tokio::time::sleep(keep_alive)),
            stopping: Vec::new(),
            companion: None,
        }
    }

    /// Ends when this happens, or another such thing, and asks the client to come back.
    pub(super) fn until(mut self, stopping: &CancellationToken) -> Self {
        self.stopping.push(Box::pin(stopping.clone().cancelled_owned()));
        self
    }

    /// Keeps something until the stream ends, whoever ends it.
    pub(super) fn accompanied(mut self, companion: impl Send + Sync + 'static) -> Self {
        self.companion = Some(Box::new(companion));
        self
    }

    /// Begins with the event that names the path to post to.
    pub(super) fn endpoint(mut self, uri: &str) -> Self {
        sse::endpoint(&mut self.ready, uri, LOST_MS);
        self
    }

    /// Takes an event that came before the stream was made.
    pub(super) fn begin(mut self, event: &Event) -> Self {
        self.write(event);
        self
    }

    /// The answer that carries these events.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::Events(Box::new(self)));
        *response.status_mut() = StatusCode::OK;
        stream_headers(response.headers_mut());
        response
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended && self.long.is_empty() && self.ready.len() < GATHER_MAX {
            match self.replies.poll_next(cx) {
                Poll::Ready(Some(event)) => self.write(&event),
                Poll::Ready(None) => {
                    self.ended = true;
                    // Whatever was waited for comes no more on this connection; on another one it may.
                    sse::retry(&mut self.ready, AWAY_MS);
                }
                Poll::Pending => break,
            }
        }
        if let Some(data) = self.take() {
            self.silence.as_mut().reset(Instant::now() + self.keep_alive);
            return Poll::Ready(Some(data));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stopping.iter_mut().any(|stopping| stopping.as_mut().poll(cx).is_ready()) {
            self.ended = true;
            sse::retry(&mut self.ready, AWAY_MS);
            return Poll::Ready(self.take());
        }
        if self.silence.as_mut().poll(cx).is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.keep_alive);
            // Polled again so that the next silence wakes us.
            let _ = self.silence.as_mut().poll(cx);
            sse::comment(&mut self.ready, "keep-alive");
            return Poll::Ready(self.take());
        }
        Poll::Pending
    }

    /// The next piece to hand over.
    fn take(&mut self) -> Option<Bytes> {
        let rest = || (!self.ready.is_empty()).then(|| self.ready.split().freeze());
        self.long.pop_front().or_else(rest)
    }

    fn is_empty(&self) -> bool {
        self.long.is_empty() && self.ready.is_empty()
    }

    fn write(&mut self, event: &Event) {
        match event {
            Event::Stream { first: Some(first), prime: true } => {
                sse::prime(&mut self.ready, &first.to_string(), RETRY_MS);
            }
            // Proxies and clients see at once that the stream is open.
            Event::Stream { .. } => sse::comment(&mut self.ready, "open"),
            Event::Message { id, text } => self.write_text(*id, std::slice::from_ref(text)),
            Event::Answer { id, text, .. } => self.write_text(*id, text.pieces()),
            // They have become answers before they come here.
            Event::Asks(_) => {}
            Event::Refuse { why, id } => {
                sse::event(&mut self.ready, None, &why.fault().answer(id.as_ref()));
            }
        }
        let last = match event {
            Event::Answer { .. } | Event::Refuse { .. } | Event::Asks(_) => {
                self.replies.is_complete()
            }
            Event::Stream { .. } | Event::Message { .. } => false,
        };
        self.ended |= last;
    }

    fn write_text(&mut self, id: Option<EventId>, pieces: &[Bytes]) {
        let mut room = [0; EventId::LONGEST];
        let id = id.map(|id| id.write(&mut room));
        match pieces {
            [text] if text.len() < LONG => sse::event(&mut self.ready, id, text),
            pieces => {
                sse::begin(&mut self.ready, id);
                self.long.push_back(self.ready.split().freeze());
                self.long.extend(pieces.iter().cloned());
                sse::end(&mut self.ready);
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("ended", &self.ended).finish_non_exhaustive()
    }
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Asks nginx not to gather the stream before passing it on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::bridge::outlet::{Outlet as _, Weight};
    use crate::link::replies::{self, EVENTS_MAX};

    #[tokio::test]
    async fn a_long_text_is_handed_over_without_a_copy_and_in_its_place() {
        let (post, replies) = replies::channel(EVENTS_MAX);
        let long = Bytes::from(vec![b'x'; LONG]);
        for text in [Bytes::from_static(b"a"), long.clone(), Bytes::from_static(b"b")] {
            post.offer(Event::Message { id: None, text }, Weight::Needed);
        }
        let answer = Event::Answer { id: None, text: long.clone().into(), error: None };
        post.offer(answer, Weight::Needed);

        let mut body = Events::new(replies, Duration::from_secs(1)).into_response().into_body();
        let (mut read, mut as_it_was) = (Vec::new(), 0);
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.into_data().unwrap();
            as_it_was += usize::from(data.as_ptr() == long.as_ptr());
            read.extend_from_slice(&data);
        }
        let mut expected = BytesMut::new();
        for text in [&b"a"[..], &long, b"b", &long] {
            sse::event(&mut expected, None, text);
        }
        assert_eq!(read, expected);
        assert_eq!(as_it_was, 2);
    }
}
