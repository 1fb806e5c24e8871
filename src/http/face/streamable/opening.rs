//! `initialize`: a session is opened, in the lane its client's capabilities ask for.

use hyper::Response;

use super::{Accepts, ask, with_session};
use crate::bridge::front::FrontCard;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane};
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order};
use crate::config::model::Push;
use crate::http::Visit;
use crate::http::body::Body;
use crate::link::handle::Link;
use crate::link::sessions::{Doorstep, NewSession};
use crate::wire::frame::Frame;
use crate::wire::id::{FrontId, SessionId};
use crate::wire::meta::{Implementation, Params};
use crate::wire::raw;

/// A session that is being opened. If its client leaves before it is, its front is closed again.
struct Opening {
    link: Link,
    front: FrontId,
    opened: bool,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.opened {
            self.link.close(self.front);
        }
    }
}

impl Visit {
    pub(super) async fn initialize(
        &self,
        frame: Frame,
        accepts: Accepts,
    ) -> Result<Response<Body>, Refusal> {
        // An id that opens nothing is forgotten: the client is doing the right thing about it.
        if matches!(self.session(), Ok(Some(_))) {
            return Err(Refusal::AlreadyInitialized);
        }
        let id = frame.id();
        let params = Params::of(frame.payload());
        let hello = Hello::of_client(&params);
        let declared = AskSet::declared(&hello.capabilities);
        let mut card = FrontCard {
            version: hello.version,
            principal: self.principal.clone(),
            declared,
            client: client_name(&params).into(),
        };
        let config = &self.entry.config;
        if config.push == Push::Off {
            let caller = Caller::Implicit(card);
            let replies = ask(&self.entry.shared, caller, frame, false).await?;
            return self.answer(replies, accepts, id).await;
        }
        let lane = Lane::of_session(config.mode, &config.private_for, declared);
        let link = self.entry.place(lane, hello, &mut card).await?;
        let sessions = &self.house.sessions;
        let mut opening = Opening { link, front: sessions.new_front(), opened: false };
        let (link, front) = (&opening.link, opening.front);
        link.send(Order::Open { front, card: card.clone() }).await?;
        // Its answer carries the session id in its head, so it is never begun before it is known.
        let mut replies = ask(link, Caller::Front(front), frame, false).await?;
        let first = replies.next().await;
        let succeeded = matches!(&first, Some(Event::Answer { ok: true, .. }));
        let session = if succeeded {
            let new = NewSession {
                server: self.entry.name.clone(),
                front,
                version: card.version,
                principal: card.principal,
                link: Some(link.clone()),
                doorstep: Doorstep::default(),
            };
            let session = sessions.open(new_session_id(), new);
            opening.opened = true;
            Some(session.id)
        } else {
            None
        };
        let answer = self.render(first, replies, accepts, id)?;
        Ok(with_session(answer, session))
    }
}

/// What a client calls itself, for the log.
pub(in crate::http) fn client_name(params: &Params<'_>) -> String {
    let about = Implementation::of(params.client_info);
    let (name, version) = (raw::clipped(&about.name), raw::clipped(&about.version));
    if version.is_empty() { name.to_owned() } else { format!("{name} {version}") }
}

/// Nobody can guess it: whoever holds it is taken for the one it was given to.
pub(in crate::http) fn new_session_id() -> SessionId {
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the system gives random bytes");
    SessionId(id)
}
