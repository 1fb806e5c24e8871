//! Addresses and connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Houses;
use super::complaints::Complaints;
use super::connection::{self, Curfew, IDLE_MAX, LINGER, Patience};
use super::guard::knows_host;
use super::peer::Peer;
use super::places::{Place, Places};
use super::stall::Stalling;
use crate::config::listen::ListenAddr;
use crate::config::model::Http;
use crate::wire::id::ServerName;

/// What a listener shows.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    All {
        checks_host: bool,
    },
    /// One server, with its endpoints at the root.
    Only {
        server: ServerName,
        checks_host: bool,
    },
}

/// A listener as its connections see it.
#[derive(Debug)]
pub(super) struct Doorway {
    pub(super) houses: Houses,
    pub(super) scope: Scope,
    pub(super) complaints: Complaints,
    /// What it is called by who knows nothing but its address: a name that is known whatever the configuration says.
    literal: Option<Box<[u8]>>,
    /// The listener is closing: connections end with the request in hand, and streams that only listen at once.
    pub(super) leaving: CancellationToken,
    /// Calls have had their time to end; streams that may still bring answers end too.
    pub(super) last_call: CancellationToken,
}

/// How a listener is closed, and when its address is free.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) asked: CancellationToken,
    pub(crate) released: CancellationToken,
}

/// A bound address.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    scope: Scope,
    /// As it was bound: with the port the kernel chose, if that was left to it.
    shown: String,
    /// Whether a network of this host had the address when it was bound.
    there: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("{address} is in use by another process")]
    InUse { address: String, hint: String },
    #[error("cannot listen on {address}: {error}")]
    Other { address: String, error: std::io::Error },
}

/// How long calls keep a stream open that carries more than their answers, once its listener closes.
const LAST_CALL: Duration = Duration::from_secs(10);

/// Connections that wait to be accepted, as many as a listener gets that is bound in the usual way.
const BACKLOG: u32 = 1024;

/// A pause after a failed accept, most likely for want of descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Why a connection ended before its time.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

// === impl Scope ===

impl Scope {
    pub(super) fn server(&self) -> Option<&ServerName> {
        match self {
            Self::All { .. } => None,
            Self::Only { server, .. } => Some(server),
        }
    }

    pub(super) fn shows(&self, name: &ServerName) -> bool {
        self.server().is_none_or(|only| only == name)
    }

    /// Whoever reaches a Unix socket is on this host, whatever name it gives it.
    pub(super) fn checks_host(&self) -> bool {
        match self {
            Self::All { checks_host } | Self::Only { checks_host, .. } => *checks_host,
        }
    }
}

// === impl Doorway ===

impl Doorway {
    /// Whether a `Host` is this one whatever the configuration says: what nearly all write.
    pub(super) fn is_called(&self, host: &HeaderValue) -> bool {
        let host = host.as_bytes();
        host == b"localhost" || self.literal.as_deref() == Some(host)
    }
}

// === impl BindError ===

impl BindError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::InUse { hint, .. } => Some(hint),
            Self::Other { .. } => None,
        }
    }

    fn new(address: String, error: std::io::Error) -> Self {
        if error.kind() != std::io::ErrorKind::AddrInUse {
            return Self::Other { address, error };
        }
        let who = match address.rsplit_once(':') {
            Some((_, port)) => format!("`ss -ltnp 'sport = :{port}'` names it"),
            None => format!("`ss -lxp src {address}` names it"),
        };
        Self::InUse { address, hint: format!("{who}; stop it or choose another address") }
    }
}

// === impl Listener ===

impl Listener {
    /// Binds an address, for all servers or for one.
    pub(crate) async fn bind(
        address: &ListenAddr,
        only: Option<ServerName>,
    ) -> Result<Self, BindError> {
        let (socket, shown, checks_host, there) = match address {
            ListenAddr::Tcp(ip) => {
                let (socket, there) =
                    bind_tcp(*ip).await.map_err(|error| BindError::new(ip.to_string(), error))?;
                let shown = socket.local_addr().unwrap_or(*ip).to_string();
                (Socket::Tcp(socket), shown, true, there)
            }
            ListenAddr::Unix(path) => {
                let shown = path.display().to_string();
                let socket =
                    bind_unix(path).map_err(|error| BindError::new(shown.clone(), error))?;
                (Socket::Unix(socket, path.clone()), format!("unix:{shown}"), false, true)
            }
        };
        let scope = match only {
            Some(server) => Scope::Only { server, checks_host },
            None => Scope::All { checks_host },
        };
        Ok(Self { socket, scope, shown, there })
    }

    /// The address, with the port that was chosen.
    pub(crate) fn address(&self) -> &str {
        &self.shown
    }

    pub(crate) fn server(&self) -> Option<&ServerName> {
        self.scope.server()
    }

    /// Whether anybody gets here: the address may be one of a network that is still to come.
    pub(crate) fn is_there(&self) -> bool {
        self.there
    }

    /// Accepts until it is told to close, then lets the requests in hand finish.
    pub(crate) async fn run(self, houses: Houses, places: Places, closing: Closing) {
        let tasks = TaskTracker::new();
        let curfew = Arc::new(Curfew::default());
        let last_call = CancellationToken::new();
        let doorway = Arc::new(Doorway {
            houses,
            scope: self.scope,
            complaints: Complaints::new(),
            literal: knows_host(&Http::default(), &self.shown)
                .then(|| self.shown.as_bytes().into()),
            leaving: closing.asked.clone(),
            last_call: last_call.clone(),
        });
        loop {
            let accepted = tokio::select! { biased;
                () = closing.asked.cancelled() => break,
                accepted = admit(&self.socket, &places) => accepted,
            };
            let (io, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(address = self.shown, %error, "a connection could not be accepted");
                    sleep(BREATH).await;
                    continue;
                }
            };
            let (doorway, curfew) = (Arc::clone(&doorway), Arc::clone(&curfew));
            tasks.spawn(async move {
                if let Err(error) = attend(io, doorway, &curfew).await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
        // Whoever comes now is refused at once rather than left waiting.
        drop(self.socket);
        closing.released.cancel();
        curfew.say();
        tasks.close();
        let mut ended = pin!(tasks.wait());
        if timeout(LAST_CALL, &mut ended).await.is_err() {
            last_call.cancel();
            ended.await;
        }
        doorway.complaints.close();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may have been removed already; a later start replaces it anyway.
            std::fs::remove_file(path).ok();
        }
    }
}

/// Serves a connection until it ends.
async fn attend(io: Peer, doorway: Arc<Doorway>, curfew: &Curfew) -> Result<(), BoxError> {
    let is_http2 = tokio::select! { biased;
        () = async { curfew.said().await; sleep(LINGER).await } => return Ok(()),
        seen = timeout(IDLE_MAX, io.begins_http2()) => match seen {
            Ok(seen) => seen?,
            Err(_) => return Ok(()),
        },
    };
    let patience = Patience::new();
    let io = TokioIo::new(Stalling::new(io));
    if is_http2 {
        let watched = patience.clone();
        // Its requests are tasks of their own.
        let service = service_fn(move |request| {
            let (doorway, patience) = (Arc::clone(&doorway), watched.clone());
            async move { super::serve(&doorway, &patience, request).await }
        });
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.timer(TokioTimer::new()).max_concurrent_streams(1000);
        let connection = server.serve_connection(io, service);
        let end = http2::Connection::graceful_shutdown;
        // Few come so, and it is large: no room is kept for it where it is not used.
        return Ok(Box::pin(connection::tend(connection, end, &patience, curfew)).await?);
    }
    let (doorway, watched) = (&*doorway, &patience);
    let service = service_fn(move |request| super::serve(doorway, watched, request));
    let mut server = http1::Builder::new();
    // Not `pipeline_flush`: with it hyper copies every answer, and takes in a whole event stream for a client that does not read.
    server.timer(patience.clone()).header_read_timeout(IDLE_MAX);
    let connection = server.serve_connection(io, service);
    Ok(connection::tend(connection, http1::Connection::graceful_shutdown, &patience, curfew)
        .await?)
}

async fn admit(socket: &Socket, places: &Places) -> std::io::Result<(Peer, Place)> {
    let io = match socket {
        Socket::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Answers are written whole; waiting for more would only delay them.
            stream.set_nodelay(true)?;
            Peer::Tcp(stream)
        }
        Socket::Unix(listener, _) => Peer::Unix(listener.accept().await?.0),
    };
    // After the accept, so that listeners nobody comes to keep no place of those where somebody does.
    Ok((io, places.take().await))
}

/// Binds an address, also one that this host does not have yet: a network of containers, and the host's address in it, comes into
/// being with its first container, often after the daemon. Tells whether the host has it.
async fn bind_tcp(address: SocketAddr) -> std::io::Result<(TcpListener, bool)> {
    match TcpListener::bind(address).await {
        Err(error)
            if error.kind() == std::io::ErrorKind::AddrNotAvailable && speaks_family(address) => {}
        bound => return Ok((bound?, true)),
    }
    let socket = if address.is_ipv4() {
        let socket = TcpSocket::new_v4()?;
        sockopt::set_ip_freebind(&socket, true)?;
        socket
    } else {
        let socket = TcpSocket::new_v6()?;
        sockopt::set_ipv6_freebind(&socket, true)?;
        socket
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok((socket.listen(BACKLOG)?, false))
}

/// Whether this host has addresses of this family at all. Where IPv6 is switched off no network will ever bring one.
fn speaks_family(address: SocketAddr) -> bool {
    let loopback: IpAddr =
        if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    UdpSocket::bind((loopback, 0)).is_ok()
}

/// Binds a socket file. One that is left over from a process that died is replaced, one that answers is not.
fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    let left_over = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
    if left_over {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // The group may use it: that is how a gateway under another user is let in.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}
