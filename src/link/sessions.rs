//! The live sessions by their ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::handle::Link;
use super::replies::Post;
use crate::bridge::front::Principal;
use crate::bridge::outlet::{Event, Offer, Outlet as _, Weight};
use crate::wire::id::{FrontId, ServerName, SessionId};
use crate::wire::version::Version;

/// One session of a client with a server.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) server: ServerName,
    pub(crate) front: FrontId,
    pub(crate) version: Version,
    pub(crate) principal: Principal,
    /// Chosen when the session begins. One of revision 2024-11-05 begins with its stream, before it is known what its client can
    /// do, and is given its link with its first message.
    pub(crate) link: OnceCell<Link>,
    pub(crate) doorstep: Doorstep,
    /// When it was used last, in seconds since the table was made.
    used: AtomicU64,
}

/// The table of live sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Held for one look or one change, never across a wait.
    table: Mutex<HashMap<SessionId, Arc<Session>>>,
    fronts: AtomicU64,
    born: Instant,
    bounds: Bounds,
}

/// How many sessions are kept, and how long an unused one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) sessions_max: usize,
    pub(crate) idle_max: Duration,
}

/// What a new session is made of.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) server: ServerName,
    pub(crate) front: FrontId,
    pub(crate) version: Version,
    pub(crate) principal: Principal,
    pub(crate) link: Option<Link>,
    pub(crate) doorstep: Doorstep,
}

/// The way to the stream a session began with, until its first message hands it to a slot.
#[derive(Debug, Default)]
pub(crate) struct Doorstep(Mutex<Option<Post>>);

// === impl Bounds ===

impl Default for Bounds {
    fn default() -> Self {
        Self { sessions_max: 100_000, idle_max: Duration::from_secs(24 * 3600) }
    }
}

// === impl Doorstep ===

impl Doorstep {
    pub(crate) fn new(post: Post) -> Self {
        Self(Mutex::new(Some(post)))
    }

    /// Says something on the stream. False if it stands on the doorstep no more.
    pub(crate) fn tell(&self, text: Bytes) -> bool {
        let post = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |post: &Post| post.offer(Event::Message { id: None, text }, Weight::Needed);
        post.as_ref().map(told) == Some(Offer::Taken)
    }

    pub(crate) fn take(&self) -> Option<Post> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// === impl Session ===

impl Session {
    /// Ends it at its slot.
    fn close(&self) {
        if let Some(link) = self.link.get() {
            link.close(self.front);
        }
    }

    /// Whether its slot still listens.
    fn is_open(&self) -> bool {
        self.link.get().is_none_or(Link::is_open)
    }
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { table: Mutex::default(), fronts: AtomicU64::new(1), born: Instant::now(), bounds }
    }

    /// A number for a front; never given twice.
    pub(crate) fn new_front(&self) -> FrontId {
        FrontId(self.fronts.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds a session. Beyond the bound the tenth of all that was unused longest makes room.
    pub(crate) fn open(&self, id: SessionId, new: NewSession) -> Arc<Session> {
        let session = Arc::new(Session {
            id,
            server: new.server,
            front: new.front,
            version: new.version,
            principal: new.principal,
            link: OnceCell::new_with(new.link),
            doorstep: new.doorstep,
            used: AtomicU64::new(self.clock()),
        });
        let mut table = self.lock();
        let crowded = table.len() >= self.bounds.sessions_max;
        let leaving = if crowded {
            let mut used: Vec<u64> =
                table.values().map(|s| s.used.load(Ordering::Relaxed)).collect();
            let place = used.len() / 10;
            let (_, oldest, _) = used.select_nth_unstable(place);
            let oldest = *oldest;
            take(&mut table, |session| session.used.load(Ordering::Relaxed) <= oldest)
        } else {
            Vec::new()
        };
        table.insert(session.id, Arc::clone(&session));
        drop(table);
        for session in &leaving {
            session.close();
        }
        if crowded {
            tracing::warn!(
                ended = leaving.len(),
                "too many sessions: the longest unused were ended"
            );
        }
        session
    }

    /// Finds a session of this server and principal. One of another is as unknown as one that never was.
    pub(crate) fn find(
        &self,
        id: SessionId,
        server: &ServerName,
        principal: &Principal,
    ) -> Option<Arc<Session>> {
        let session = self.lock().get(&id).cloned()?;
        if session.server != *server || session.principal != *principal || !session.is_open() {
            return None;
        }
        session.used.store(self.clock(), Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: SessionId) {
        let session = self.lock().remove(&id);
        if let Some(session) = session {
            session.close();
        }
    }

    /// Ends sessions that have not been used for too long, and those whose slot is gone.
    pub(crate) fn sweep(&self) {
        let oldest = self.clock().saturating_sub(self.bounds.idle_max.as_secs());
        let leaving = take(&mut self.lock(), |session| {
            session.used.load(Ordering::Relaxed) < oldest || !session.is_open()
        });
        for session in leaving {
            session.close();
        }
    }

    /// Forgets all sessions: their slots are gone.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// How many sessions a server has.
    pub(crate) fn count(&self, server: &ServerName) -> usize {
        self.lock().values().filter(|session| session.server == *server).count()
    }

    fn clock(&self) -> u64 {
        self.born.elapsed().as_secs()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        // Nothing that panics is done under the lock, so its contents are sound whatever happened elsewhere.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(
    table: &mut HashMap<SessionId, Arc<Session>>,
    leaves: impl Fn(&Session) -> bool,
) -> Vec<Arc<Session>> {
    table.extract_if(|_, session| leaves(session)).map(|(_, session)| session).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::switchboard::Order;

    fn session(link: &Link, sessions: &Sessions, id: u8) -> Arc<Session> {
        let new = NewSession {
            front: sessions.new_front(),
            version: Version::NEWEST,
            principal: Principal::anonymous(),
            server: ServerName::new("git").unwrap(),
            link: Some(link.clone()),
            doorstep: Doorstep::default(),
        };
        sessions.open(SessionId([id; 16]), new)
    }

    #[test]
    fn only_its_own_server_and_principal_find_a_session() {
        let git = ServerName::new("git").unwrap();
        let (link, _inbox) = Link::new(git.clone());
        let sessions = Sessions::new(Bounds::default());
        let id = session(&link, &sessions, 1).id;
        let me = Principal::anonymous();
        assert!(sessions.find(id, &git, &me).is_some());
        assert!(sessions.find(id, &ServerName::new("time").unwrap(), &me).is_none());
        assert!(sessions.find(id, &git, &Principal::new("other")).is_none());
        assert!(sessions.find(SessionId([2; 16]), &git, &me).is_none());
    }

    #[test]
    fn a_closed_session_is_gone_and_its_slot_is_told() {
        let (link, mut inbox) = Link::new(ServerName::new("git").unwrap());
        let sessions = Sessions::new(Bounds::default());
        let session = session(&link, &sessions, 1);
        sessions.close(session.id);
        assert!(sessions.find(session.id, &session.server, &session.principal).is_none());
        let told = inbox.control.try_recv();
        assert!(matches!(told, Ok(Order::Close { front }) if front == session.front));
    }

    #[test]
    fn beyond_the_bound_old_sessions_make_room() {
        let (link, mut inbox) = Link::new(ServerName::new("git").unwrap());
        let bounds = Bounds { sessions_max: 10, ..Bounds::default() };
        let sessions = Sessions::new(bounds);
        for id in 0..11 {
            session(&link, &sessions, id);
        }
        assert!(sessions.count(&ServerName::new("git").unwrap()) <= 10);
        assert!(inbox.control.try_recv().is_ok());
    }
}
