//! Sessions that cost nothing: what is to be known of one stands in its id, under seal. Of all that have ever begun only those
//! are kept here that were used a moment ago, so that their ids need not be opened again for each request, those with a child
//! of their own, and which were ended.

pub(crate) mod ended;
mod tables;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use self::ended::Ended;
use self::tables::{ById, Home, Known, RECENT_MAX, Tables};
use super::directory::{Entry, Place};
use super::handle::{Link, WeakLink};
use crate::bridge::front::{FrontCard, Principal, Who};
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane};
use crate::bridge::passport::{Introduction, Passport};
use crate::bridge::refusal::Refusal;
use crate::bridge::seal::Keys;
use crate::wire::id::{FrontId, SessionId};

/// A session that was found, with the slot it uses.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) who: Who,
    pub(crate) link: Link,
}

/// A session that is beginning. If its client leaves before it has, nothing is left of it.
#[derive(Debug)]
pub(crate) struct Beginning<'a> {
    sessions: &'a Sessions,
    entry: &'a Entry,
    passport: Passport,
    pub(crate) session: Session,
    /// It has a child of its own.
    private: bool,
    begun: bool,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Held for one look or one change, never across a wait.
    tables: Mutex<Tables>,
    /// A number no other process has.
    epoch: u64,
    serials: AtomicU64,
    born: Instant,
}

/// What is known of an id.
#[derive(Debug)]
pub(crate) enum Found {
    Here(Session),
    /// It is sound, and the child of its own that it needs is not there.
    Away(Passport),
}

/// How often those that were not used are forgotten.
pub(crate) const MOMENT: Duration = Duration::from_secs(15);

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(keys: Keys, ended: Ended) -> Self {
        let epoch = u64::from_be_bytes(random());
        ended.own(epoch);
        let tables = Tables {
            keys,
            ended,
            recent: ById::default(),
            earlier: ById::default(),
            homes: HashMap::new(),
        };
        Self { tables: Mutex::new(tables), epoch, serials: AtomicU64::new(0), born: Instant::now() }
    }

    /// From now on sessions are sealed with these keys, and only ids they open are known.
    pub(crate) fn rekey(&self, keys: Keys) {
        let mut tables = self.lock();
        tables.keys = keys;
        tables.recent.clear();
        tables.earlier.clear();
    }

    /// The keys that seals are made with now.
    pub(crate) fn keys(&self) -> Keys {
        self.lock().keys.clone()
    }

    /// A number for a front; never given twice, by no process.
    pub(crate) fn new_front(&self) -> FrontId {
        FrontId::new(self.epoch, self.serials.fetch_add(1, Ordering::Relaxed))
    }

    /// Begins a session, in the lane that its client's capabilities ask for.
    pub(crate) async fn begin<'a>(
        &'a self,
        entry: &'a Entry,
        principal: &Principal,
        hello: Hello,
    ) -> Result<Beginning<'a>, Refusal> {
        let (brief, full) = (Introduction::brief(&hello), Introduction::full(&hello));
        let (version, lane) =
            (hello.version, Lane::of_session(&entry.config, brief.declared(), entry.era.era()));
        let (link, private, client) = match (entry.place(lane, hello).await?, lane) {
            (Place::Private(link), _) => (link, true, full),
            // A child without handshakes is told of its client with each request, and may ask it something.
            (Place::Shared, Lane::Shared) if brief.declared() != AskSet::default() => {
                (entry.shared.clone(), false, full)
            }
            (Place::Shared, Lane::Shared) => (entry.shared.clone(), false, brief),
            // It found no room, and nobody will ask it anything.
            (Place::Shared, Lane::Private | Lane::Pooled) => {
                (entry.shared.clone(), false, brief.guest())
            }
        };
        let passport = Passport { front: self.new_front(), born: now_us(), version, client };
        let session = Self::session(&passport, None, principal, link);
        Ok(Beginning { sessions: self, entry, passport, session, private, begun: false })
    }

    /// Brings a session back to life that needs a child of its own: it was not used for long, or begun by another process.
    pub(crate) async fn revive(
        &self,
        passport: Passport,
        id: &str,
        entry: &Entry,
        principal: &Principal,
    ) -> Result<Session, Refusal> {
        let link = self.home(&passport, entry).await?;
        let since = Some(self.instant(passport.born));
        self.remember(id, entry, Self::session(&passport, since, principal, link))
    }

    /// The session with this id if it need not be brought back to life, for what would be nothing to a fresh child.
    pub(crate) fn present(
        &self,
        id: &str,
        entry: &Entry,
        principal: &Principal,
    ) -> Result<Option<Session>, Refusal> {
        match self.look(id, entry, principal)? {
            Found::Here(session) => Ok(Some(session)),
            Found::Away(_) => Ok(None),
        }
    }

    /// Whether an id stands for a session of this server and principal.
    pub(crate) fn knows(&self, id: &str, entry: &Entry, principal: &Principal) -> bool {
        self.open(id, entry, principal).is_some()
    }

    /// Ends a session for good. False if there is none with this id.
    pub(crate) fn end(&self, id: &str, entry: &Entry, principal: &Principal) -> bool {
        let Some(passport) = self.open(id, entry, principal) else { return false };
        let front = passport.front;
        let mut tables = self.lock();
        tables.recent.remove(id);
        tables.earlier.remove(id);
        let home = tables.homes.remove(&front);
        tables.ended.insert(front);
        drop(tables);
        match home {
            None => entry.shared.close(front),
            // A slot that is still being made ends when nobody takes it.
            Some(home) => {
                if let Some(link) = home.link.get().and_then(WeakLink::upgrade) {
                    link.close(front);
                }
            }
        }
        true
    }

    /// Forgets those that were not used for a while: their ids are all there is to remember.
    pub(crate) fn sweep(&self) {
        let mut tables = self.lock();
        tables.earlier = std::mem::take(&mut tables.recent);
        tables.homes.retain(|_, home| home.is_open());
        // Room that many once needed is given back.
        tables.homes.shrink_to(RECENT_MAX);
    }

    /// Has it written down which were ended, if that is not done yet; on a bad disk it may never be.
    pub(crate) async fn write_down(&self) {
        let written = self.lock().ended.close();
        written.await;
    }

    fn open(&self, id: &str, entry: &Entry, principal: &Principal) -> Option<Passport> {
        let keys = self.lock().keys.clone();
        let passport = Passport::open(&keys, &entry.name, principal, id)?;
        (!self.lock().ended.contains(passport.front)).then_some(passport)
    }

    /// Finds the session with this id.
    pub(crate) fn look(
        &self,
        id: &str,
        entry: &Entry,
        principal: &Principal,
    ) -> Result<Found, Refusal> {
        if let Some(session) = self.lock().known(id, entry, principal) {
            return Ok(Found::Here(session));
        }
        let passport = self.open(id, entry, principal).ok_or(Refusal::SessionGone)?;
        // One that began before its server's era was known stays where it is.
        let at_home = {
            let tables = self.lock();
            let home = tables.homes.get(&passport.front).filter(|home| home.serves(entry));
            home.and_then(|home| home.link.get()?.upgrade())
        };
        let lane = Lane::of_session(&entry.config, passport.client.declared(), entry.era.era());
        let private = lane == Lane::Private && !passport.client.is_guest();
        let link = at_home.or_else(|| (!private).then(|| entry.shared.clone()));
        let Some(link) = link else { return Ok(Found::Away(passport)) };
        let since = Some(self.instant(passport.born));
        self.remember(id, entry, Self::session(&passport, since, principal, link)).map(Found::Here)
    }

    /// Makes a child of its own for a session that had one before. All that want it wait for the same.
    async fn home(&self, passport: &Passport, entry: &Entry) -> Result<Link, Refusal> {
        let link = {
            let mut tables = self.lock();
            let home = tables.homes.get(&passport.front).filter(|home| home.serves(entry));
            match home {
                Some(home) => Arc::clone(&home.link),
                // What its child held for it is lost, and that was not to be.
                None if entry.config.stateful => return Err(Refusal::SessionGone),
                None => {
                    let home = Home { warden: entry.warden.clone(), link: Arc::default() };
                    let link = Arc::clone(&home.link);
                    tables.homes.insert(passport.front, home);
                    link
                }
            }
        };
        let make =
            async || Ok(entry.again(passport.client.hello(passport.version)).await?.downgrade());
        link.get_or_try_init(make).await?.upgrade().ok_or(Refusal::Interrupted)
    }

    fn session(
        passport: &Passport,
        since: Option<Instant>,
        principal: &Principal,
        link: Link,
    ) -> Session {
        let card = FrontCard {
            version: passport.version,
            principal: principal.clone(),
            declared: passport.client.declared(),
            client: passport.client.name().into(),
            hello: passport.client.retold(passport.version),
            hears: true,
            since,
        };
        Session { who: Who { front: passport.front, card: Arc::new(card) }, link }
    }

    fn remember(&self, id: &str, entry: &Entry, session: Session) -> Result<Session, Refusal> {
        let mut tables = self.lock();
        // It may have been ended since we looked.
        if tables.ended.contains(session.who.front) {
            return Err(Refusal::SessionGone);
        }
        let known = Known {
            who: session.who.clone(),
            link: session.link.downgrade(),
            warden: entry.warden.clone(),
        };
        tables.remember(id, known);
        Ok(session)
    }

    /// A time of day as one of the clock that measures. What is older than this process is just that.
    fn instant(&self, us: u64) -> Instant {
        let age = Duration::from_micros(now_us().saturating_sub(us));
        let then = Instant::now().checked_sub(age);
        then.filter(|then| *then > self.born).unwrap_or(self.born)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing that panics is done under the lock, so its contents are sound whatever happened elsewhere.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Beginning ===

impl Beginning<'_> {
    /// The handshake is done: the id of the session from now on.
    pub(crate) fn done(mut self) -> String {
        self.begun = true;
        // What it knows of its server is of now: it may have waited for the child to come.
        self.passport.born = now_us();
        let mut tables = self.sessions.lock();
        if self.private {
            let home = Home {
                warden: self.entry.warden.clone(),
                link: Arc::new(OnceCell::new_with(Some(self.session.link.downgrade()))),
            };
            tables.homes.insert(self.passport.front, home);
        }
        let keys = tables.keys.clone();
        drop(tables);
        let principal = &self.session.who.card.principal;
        self.passport.seal(&keys, &self.entry.name, principal, random())
    }

    pub(crate) fn is_private(&self) -> bool {
        self.private
    }
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if self.private && !self.begun {
            self.session.link.close(self.session.who.front);
        }
    }
}

/// A name for a session that is not sealed. Nobody can guess it.
pub(crate) fn new_session_id() -> SessionId {
    SessionId(random())
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whoever holds what is made of it is taken for the one it was given to.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
