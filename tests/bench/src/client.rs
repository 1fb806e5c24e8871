//! A client that makes the same call again and again on one connection.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::messages;
use crate::proc::Cpu;
use crate::wire::Wire;

pub struct Client {
    address: SocketAddr,
    wire: Wire,
    /// A whole request, whose id is written anew for each call.
    request: Vec<u8>,
    id_at: usize,
    made: usize,
    /// Bytes of text that each answer has to bring back.
    text_bytes: usize,
}

/// How many calls a crowd of clients makes: so many, but none begins after the time is over.
pub struct Budget {
    left: Cell<usize>,
    until: Instant,
}

/// What a crowd found.
pub struct Crowd {
    pub rate: f64,
    /// Processor time of the bridge for each call.
    pub cpu_us: f64,
    /// How long each call took, by client.
    pub took_us: Vec<Vec<f64>>,
}

/// Runs one future on this thread.
pub fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime.map_err(|error| error.to_string())?, future)
}

/// Opens a session on this connection and gives the heads that belong to it.
pub async fn open_session(wire: &mut Wire, path: &str) -> Result<String, String> {
    wire.expect(&messages::post(path, "", messages::INITIALIZE), 200).await?;
    // A floor names none, and is told one all the same, so that it has the same heads to read.
    let id = wire.session.take().unwrap_or_else(|| "none".to_owned());
    let session = format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-06-18\r\n");
    wire.expect(&messages::post(path, &session, messages::INITIALIZED), 202).await?;
    Ok(session)
}

/// Lets all of these clients call at once until the budget is spent, and gives them back.
pub async fn crowd(
    pid: u32,
    clients: Vec<Client>,
    budget: Budget,
) -> Result<(Crowd, Vec<Client>), String> {
    let budget = Rc::new(budget);
    let (cpu, start) = (Cpu::of(pid), Instant::now());
    let spend = |mut client: Client| {
        let budget = Rc::clone(&budget);
        tokio::task::spawn_local(
            async move { client.spend(&budget).await.map(|took| (took, client)) },
        )
    };
    let tasks: Vec<_> = clients.into_iter().map(spend).collect();
    let (mut took_us, mut clients) = (Vec::new(), Vec::new());
    for task in tasks {
        let (took, client) = task.await.map_err(|error| error.to_string())??;
        took_us.push(took);
        clients.push(client);
    }
    let made = took_us.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let rate = made / start.elapsed().as_secs_f64();
    let cpu_us = Cpu::of(pid).since(cpu) / made;
    Ok((Crowd { rate, cpu_us, took_us }, clients))
}

// === impl Budget ===

impl Budget {
    pub fn new(calls: usize, time: Duration) -> Self {
        Self { left: Cell::new(calls), until: Instant::now() + time }
    }

    /// Whether one more may begin now.
    pub fn take(&self, now: Instant) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0 && now < self.until
    }
}

// === impl Client ===

impl Client {
    /// Connects and opens a session, to echo texts of 1 KiB.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self, String> {
        Self::legacy(address, path, messages::ECHO_BYTES).await
    }

    /// Connects and opens a session, to echo texts of this length.
    pub async fn legacy(
        address: SocketAddr,
        path: &str,
        text_bytes: usize,
    ) -> Result<Self, String> {
        let mut wire = Wire::connect(address).await?;
        let session = open_session(&mut wire, path).await?;
        Ok(Self::calling(wire, path, &session, text_bytes))
    }

    /// Connects and calls as clients of older revisions do, but in no session.
    pub async fn sessionless(address: SocketAddr, path: &str) -> Result<Self, String> {
        let wire = Wire::connect(address).await?;
        let heads = "MCP-Protocol-Version: 2025-06-18\r\n";
        Ok(Self::calling(wire, path, heads, messages::ECHO_BYTES))
    }

    /// Connects and opens a session, to be told of so many steps before each answer.
    pub async fn told(address: SocketAddr, path: &str, steps: usize) -> Result<Self, String> {
        let mut wire = Wire::connect(address).await?;
        let session = open_session(&mut wire, path).await?;
        let body = messages::progress(100_000_000, steps);
        Ok(Self::repeating(wire, path, &session, &body, 0))
    }

    /// Connects and needs no more.
    pub async fn modern(
        address: SocketAddr,
        path: &str,
        text_bytes: usize,
    ) -> Result<Self, String> {
        let wire = Wire::connect(address).await?;
        let body = messages::modern_call_of(0, text_bytes);
        Ok(Self::repeating(wire, path, messages::MODERN_HEADS, &body, text_bytes))
    }

    /// Calls on this connection, in the session whose heads these are.
    pub fn calling(wire: Wire, path: &str, session: &str, text_bytes: usize) -> Self {
        let body = messages::call_of(0, text_bytes);
        Self::repeating(wire, path, session, &body, text_bytes)
    }

    fn repeating(wire: Wire, path: &str, heads: &str, body: &str, text_bytes: usize) -> Self {
        let request = messages::post(path, heads, body);
        let id_at = request.len() - body.len() + body.find("100000000").unwrap_or(0);
        Self { address: wire.address, wire, request, id_at, made: 0, text_bytes }
    }

    /// Makes so many calls one after another and gives how long each took, in microseconds.
    pub async fn calls(&mut self, count: usize) -> Result<Vec<f64>, String> {
        self.spend(&Budget::new(count, Duration::from_hours(1))).await
    }

    async fn spend(&mut self, budget: &Budget) -> Result<Vec<f64>, String> {
        let mut took = Vec::new();
        let mut start = Instant::now();
        while budget.take(start) {
            self.made += 1;
            let id = (100_000_000 + self.made).to_string();
            self.request[self.id_at..self.id_at + 9].copy_from_slice(id.as_bytes());
            let mut status = self.wire.exchange(&self.request).await;
            if status.is_err() && took.is_empty() {
                // As every client of HTTP does when the connection was closed while it was idle.
                self.wire = Wire::connect(self.address).await?;
                status = self.wire.exchange(&self.request).await;
            }
            let status = status?;
            let end = Instant::now();
            took.push((end - start).as_secs_f64() * 1e6);
            start = end;
            if status != 200 || !self.is_answer(id.as_bytes()) {
                return Err(self.wire.unexpected("the answer"));
            }
        }
        Ok(took)
    }

    /// Looks for the id and for the whole of the text.
    fn is_answer(&self, id: &[u8]) -> bool {
        let message = &self.wire.message;
        messages::filler(message) >= self.text_bytes && memmem::find(message, id).is_some()
    }
}
