//! The least bridge there can be on this HTTP library: one thread, one pipe for each child, ids swapped by scanning for them.
//! Nothing is validated, there are no sessions, and whatever goes wrong ends it. It stands for the cost that no bridge can avoid.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::process::Stdio;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc, oneshot};

const READ: usize = 64 * 1024;

/// One child and the calls that wait for it.
#[derive(Default)]
struct Pipe {
    state: RefCell<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    last: u64,
    waiting: HashMap<u64, Waiting>,
    /// By the token that its events name.
    tokens: HashMap<Bytes, mpsc::UnboundedSender<Bytes>>,
    outbox: Vec<u8>,
}

struct Waiting {
    id: Bytes,
    answer: Answer,
}

enum Answer {
    Whole(oneshot::Sender<Parts>),
    Events(Bytes, mpsc::UnboundedSender<Bytes>),
}

/// A text with another id in its middle.
type Parts = [Bytes; 3];

enum Reply {
    Parts(VecDeque<Bytes>),
    Events(mpsc::UnboundedReceiver<Bytes>),
    Standing,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (address, count) = (args.next().expect("an address"), args.next().expect("a count"));
    let (program, args) = (args.next().expect("a program"), args.collect::<Vec<_>>());
    let tasks = tokio::task::LocalSet::new();
    tasks.run_until(serve(&address, count.parse().expect("a number"), &program, &args)).await;
}

async fn serve(address: &str, count: usize, program: &str, args: &[String]) {
    let pipes: Rc<Vec<Rc<Pipe>>> = Rc::new((0..count).map(|_| Rc::default()).collect());
    for pipe in pipes.iter() {
        begin(pipe, program, args);
    }
    let listener = TcpListener::bind(address).await.expect("a free address");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let pipes = Rc::clone(&pipes);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(&pipes, request));
            let io = TokioIo::new(stream);
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.ok();
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "no child of a daemon")]
fn begin(pipe: &Rc<Pipe>, program: &str, args: &[String]) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("a program");
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    tokio::task::spawn_local(write(Rc::clone(pipe), stdin.expect("it is piped")));
    let pipe = Rc::clone(pipe);
    tokio::task::spawn_local(async move {
        read(&pipe, stdout.expect("it is piped")).await;
        child.wait().await.ok();
    });
}

async fn write(pipe: Rc<Pipe>, mut stdin: ChildStdin) {
    let mut batch = Vec::new();
    loop {
        pipe.filled.notified().await;
        std::mem::swap(&mut batch, &mut pipe.state.borrow_mut().outbox);
        if stdin.write_all(&batch).await.is_err() {
            return;
        }
        batch.clear();
    }
}

async fn read(pipe: &Pipe, mut stdout: ChildStdout) {
    let mut buffer = BytesMut::new();
    let mut looked = 0;
    loop {
        buffer.reserve(READ);
        if stdout.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        while let Some(end) = memchr::memchr(b'\n', &buffer[looked..]) {
            let line = buffer.split_to(looked + end + 1).freeze();
            pipe.state.borrow_mut().hear(line.slice(..line.len() - 1));
            looked = 0;
        }
        looked = buffer.len();
    }
}

impl State {
    fn hear(&mut self, line: Bytes) {
        let head = &line[..line.len().min(256)];
        if let Some((start, end)) = after(head, b"\"id\":") {
            let id = std::str::from_utf8(&line[start..end]).ok().and_then(|id| id.parse().ok());
            let Some(waiting) = id.and_then(|id: u64| self.waiting.remove(&id)) else { return };
            let parts = [line.slice(..start), waiting.id, line.slice(end..)];
            match waiting.answer {
                Answer::Whole(reply) => drop(reply.send(parts)),
                Answer::Events(token, events) => {
                    self.tokens.remove(&token);
                    events.send(event(&parts)).ok();
                }
            }
        } else if let Some((start, end)) = after(head, b"\"progressToken\":")
            && let Some(events) = self.tokens.get(&line[start..end])
        {
            events.send(event(&[line])).ok();
        }
    }
}

async fn answer(
    pipes: &[Rc<Pipe>],
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    Ok(match *request.method() {
        Method::POST => call(pipes, request).await,
        Method::GET => stream(Reply::Standing),
        _ => Response::new(Reply::Parts(VecDeque::new())),
    })
}

async fn call(pipes: &[Rc<Pipe>], request: Request<Incoming>) -> Response<Reply> {
    let digits = request.uri().path().bytes().filter(u8::is_ascii_digit);
    let pipe = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    let pipe = &pipes[pipe];
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let head = &body[..body.len().min(160)];
    let Some((start, end)) = after(head, b"\"id\":") else {
        pipe.send(&[&body]);
        let mut response = Response::new(Reply::Parts(VecDeque::new()));
        *response.status_mut() = StatusCode::ACCEPTED;
        return response;
    };
    let tail = body.len().saturating_sub(160);
    let token = after(&body[tail..], b"\"progressToken\":");
    let id = body.slice(start..end);
    let (whole, events, answer) = if let Some((from, to)) = token {
        let (post, events) = unbounded();
        let token = body.slice(tail + from..tail + to);
        pipe.state.borrow_mut().tokens.insert(token.clone(), post.clone());
        (None, Some(events), Answer::Events(token, post))
    } else {
        let (post, whole) = oneshot::channel();
        (Some(whole), None, Answer::Whole(post))
    };
    let own = {
        let mut state = pipe.state.borrow_mut();
        state.last += 1;
        let own = state.last;
        state.waiting.insert(own, Waiting { id, answer });
        own
    };
    pipe.send(&[&body[..start], own.to_string().as_bytes(), &body[end..]]);
    if let Some(events) = events {
        return stream(Reply::Events(events));
    }
    let parts = whole.expect("one of both").await.expect("an answer");
    let mut response = Response::new(Reply::Parts(parts.into()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The floor has no bounds.
#[expect(clippy::disallowed_methods, reason = "bounds are a part of what a bridge costs")]
fn unbounded() -> (mpsc::UnboundedSender<Bytes>, mpsc::UnboundedReceiver<Bytes>) {
    mpsc::unbounded_channel()
}

impl Pipe {
    fn send(&self, parts: &[&[u8]]) {
        let outbox = &mut self.state.borrow_mut().outbox;
        for part in parts {
            outbox.extend_from_slice(part);
        }
        outbox.push(b'\n');
        self.filled.notify_one();
    }
}

fn stream(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    let events = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, events);
    response
}

fn event(parts: &[Bytes]) -> Bytes {
    let mut text = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum::<usize>() + 8);
    text.extend_from_slice(b"data: ");
    for part in parts {
        text.extend_from_slice(part);
    }
    text.extend_from_slice(b"\n\n");
    text.freeze()
}

/// Where the value behind this name stands, if it has no comma and no bracket in it.
fn after(text: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let start = memchr::memmem::find(text, name)? + name.len();
    let end = text[start..].iter().position(|byte| matches!(byte, b',' | b'}'))?;
    Some((start, start + end))
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Parts(parts) => Poll::Ready(parts.pop_front()),
            Self::Events(events) => events.poll_recv(cx),
            Self::Standing => Poll::Pending,
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Parts(parts) if parts.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Parts(parts) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            Self::Events(_) | Self::Standing => SizeHint::default(),
        }
    }
}
