//! Sessions of revision 2024-11-05. They live as long as their stream, so unlike others they are kept in a table, and nothing of
//! them outlives the daemon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::handle::Link;
use super::replies::Post;
use crate::bridge::front::{Principal, Who};
use crate::bridge::outlet::{Event, Offer, Outlet as _, Weight};
use crate::wire::id::{FrontId, ServerName, SessionId};

/// One session of a client that holds its stream.
#[derive(Debug)]
pub(crate) struct StreamSession {
    pub(crate) server: ServerName,
    pub(crate) principal: Principal,
    pub(crate) front: FrontId,
    /// The session begins with its stream, before it is known what its client can do; its first message decides.
    pub(crate) place: OnceCell<Place>,
    /// The way to the stream, until the first message hands it to a slot.
    doorstep: Mutex<Option<Post>>,
}

/// Where a session is and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) link: Link,
    pub(crate) who: Who,
}

/// The table of them.
#[derive(Debug, Default)]
pub(crate) struct StreamSessions {
    /// Held for one look or one change, never across a wait.
    table: Mutex<HashMap<SessionId, Arc<StreamSession>>>,
}

// === impl StreamSession ===

impl StreamSession {
    pub(crate) fn new(
        server: ServerName,
        principal: Principal,
        front: FrontId,
        stream: Post,
    ) -> Self {
        let doorstep = Mutex::new(Some(stream));
        Self { server, principal, front, place: OnceCell::new(), doorstep }
    }

    /// Says something on the stream. False if no slot has it yet no more.
    pub(crate) fn tell(&self, text: Bytes) -> bool {
        let post = self.doorstep.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |post: &Post| post.offer(Event::Message { id: None, text }, Weight::Needed);
        post.as_ref().map(told) == Some(Offer::Taken)
    }

    pub(crate) fn take_stream(&self) -> Option<Post> {
        self.doorstep.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// === impl StreamSessions ===

impl StreamSessions {
    pub(crate) fn open(&self, id: SessionId, session: StreamSession) {
        self.lock().insert(id, Arc::new(session));
    }

    /// Finds a session of this server and principal. One of another is as unknown as one that never was.
    pub(crate) fn find(
        &self,
        id: SessionId,
        server: &ServerName,
        principal: &Principal,
    ) -> Option<Arc<StreamSession>> {
        let session = self.lock().get(&id).cloned()?;
        let is_open = session.place.get().is_none_or(|place| place.link.is_open());
        (session.server == *server && session.principal == *principal && is_open).then_some(session)
    }

    /// Ends a session: its stream has ended.
    pub(crate) fn close(&self, id: SessionId) {
        let session = self.lock().remove(&id);
        if let Some(session) = session
            && let Some(place) = session.place.get()
        {
            place.link.close(session.front);
        }
    }

    /// Forgets all sessions: their slots are gone. Streams that no slot ever had end with this.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<StreamSession>>> {
        // Nothing that panics is done under the lock, so its contents are sound whatever happened elsewhere.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::front::FrontCard;
    use crate::bridge::greeting::Hello;
    use crate::bridge::lane::AskSet;
    use crate::bridge::switchboard::Order;
    use crate::link::replies::{EVENTS_MAX, channel};
    use crate::wire::version::Version;

    #[test]
    fn only_its_own_server_and_principal_find_a_session_until_it_ends() {
        let (git, me) = (ServerName::new("git").unwrap(), Principal::anonymous());
        let (link, inbox) = Link::new(git.clone());
        let (post, _replies) = channel(EVENTS_MAX);
        let (sessions, id, front) = (StreamSessions::default(), SessionId([1; 16]), FrontId(5));
        sessions.open(id, StreamSession::new(git.clone(), me.clone(), front, post));
        let session = sessions.find(id, &git, &me).unwrap();
        let card = Arc::new(FrontCard {
            version: Version::V2024_11_05,
            principal: me.clone(),
            declared: AskSet::default(),
            client: "c".into(),
            hello: Hello::nobody(),
            hears: true,
            since: None,
        });
        session.place.set(Place { link, who: Who { front, card } }).unwrap();
        assert!(session.take_stream().is_some() && session.take_stream().is_none());
        assert!(sessions.find(id, &ServerName::new("time").unwrap(), &me).is_none());
        assert!(sessions.find(id, &git, &Principal::new("other")).is_none());
        assert!(sessions.find(SessionId([2; 16]), &git, &me).is_none());
        sessions.close(id);
        assert!(sessions.find(id, &git, &me).is_none());
        let told = inbox.next_control();
        assert!(matches!(told, Some(Order::Close { front: closed }) if closed == front));
    }
}
