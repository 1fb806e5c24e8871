//! Loads a bridge that somebody else has started, under a profiler for instance.

use std::io::{BufRead as _, Read as _, stdin};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{Budget, Client, block_on, crowd};
use crate::compare::churn;
use crate::messages::ECHO_BYTES;

/// What a client does again and again.
#[derive(Clone, Copy)]
enum Kind {
    /// Calls in a session that is open.
    Session,
    /// Calls of the same form without one.
    Stateless,
    /// Calls of clients that know no sessions.
    Modern,
    /// Calls in a session that are told of so many steps before their answer.
    Progress,
    /// Opens a session with its stream, asks for the tools, and ends it.
    Churn,
}

struct Told {
    address: SocketAddr,
    path: String,
    clients: usize,
    calls: usize,
    kind: Kind,
    text_bytes: usize,
    events: usize,
    warm_calls: usize,
    waits: bool,
}

/// `drive ADDRESS PATH CLIENTS CALLS`: so many clients at once, each making so many calls.
///
/// `--kind session|stateless|modern|progress|churn` says what a call is, `--text BYTES` how long the text is that is echoed in
/// a session or by modern clients, `--events COUNT` of how much progress is told, `--warm CALLS` how many calls are made beforehand.
/// With `--wait` it says `ready` then and waits for a line, and after the calls it keeps all connections open until its input ends.
pub fn run(args: &[String]) -> Result<(), String> {
    let told = Told::parse(args)?;
    block_on(async {
        let clients = told.open().await?;
        let (_, clients) = told.load(clients, told.warm_calls).await?;
        let mut line = String::new();
        if told.waits {
            println!("ready");
            stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let (rate, _clients) = told.load(clients, told.calls).await?;
        println!("{rate:.0} calls/s");
        if told.waits {
            stdin().lock().read_to_string(&mut line).map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

// === impl Told ===

impl Told {
    fn parse(args: &[String]) -> Result<Self, String> {
        let [address, path, clients, calls, options @ ..] = args else {
            return Err(crate::usage());
        };
        let number =
            |text: &String| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
        let mut told = Self {
            address: address.parse().map_err(|error| format!("{address}: {error}"))?,
            path: path.clone(),
            clients: number(clients)?,
            calls: number(calls)?,
            kind: Kind::Session,
            text_bytes: ECHO_BYTES,
            events: 100,
            warm_calls: 0,
            waits: false,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            if option == "--wait" {
                told.waits = true;
                continue;
            }
            let value = options.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--kind" => told.kind = Kind::parse(value)?,
                "--text" => told.text_bytes = number(value)?,
                "--events" => told.events = number(value)?,
                "--warm" => told.warm_calls = number(value)?,
                _ => return Err(format!("{option} is not known\n\n{}", crate::usage())),
            }
        }
        Ok(told)
    }

    async fn open(&self) -> Result<Vec<Client>, String> {
        let (address, path) = (self.address, self.path.as_str());
        let mut open = Vec::new();
        for _ in 0..self.clients {
            open.push(match self.kind {
                Kind::Session => Client::legacy(address, path, self.text_bytes).await?,
                Kind::Stateless => Client::sessionless(address, path).await?,
                Kind::Modern => Client::modern(address, path, self.text_bytes).await?,
                Kind::Progress => Client::told(address, path, self.events).await?,
                // These come and go with each call.
                Kind::Churn => return Ok(open),
            });
        }
        Ok(open)
    }

    /// Lets all of them make so many calls, and says how many there were in a second.
    async fn load(&self, clients: Vec<Client>, calls: usize) -> Result<(f64, Vec<Client>), String> {
        let budget = Budget::new(self.clients * calls, Duration::from_hours(1));
        if let Kind::Churn = self.kind {
            let start = Instant::now();
            let took = churn::at_once(self.address, &self.path, self.clients, budget).await?;
            return Ok((took.len() as f64 / start.elapsed().as_secs_f64(), clients));
        }
        // Whose processor time it is does not matter here.
        let (crowd, clients) = crowd(std::process::id(), clients, budget).await?;
        Ok((crowd.rate, clients))
    }
}

// === impl Kind ===

impl Kind {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "session" => Ok(Self::Session),
            "stateless" => Ok(Self::Stateless),
            "modern" => Ok(Self::Modern),
            "progress" => Ok(Self::Progress),
            "churn" => Ok(Self::Churn),
            _ => Err(format!("{text} is no kind of call")),
        }
    }
}
