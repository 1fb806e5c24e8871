//! `initialize`: a session begins, in the lane its client's capabilities ask for.

use hyper::Response;
use hyper::header::HeaderValue;

use super::{Accepts, ask};
use crate::bridge::front::FrontCard;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::AskSet;
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Caller;
use crate::config::model::Push;
use crate::http::Visit;
use crate::http::body::Body;
use crate::http::heads::SESSION;
use crate::wire::frame::Frame;

impl Visit<'_> {
    pub(super) async fn initialize(
        &self,
        frame: Frame,
        accepts: Accepts,
    ) -> Result<Response<Body>, Refusal> {
        let sessions = &self.house.sessions;
        // An id that opens nothing is forgotten: the client is doing the right thing about it.
        if self.session_id().is_some_and(|id| sessions.knows(id, self.entry, self.principal)) {
            return Err(Refusal::AlreadyInitialized);
        }
        let id = frame.id();
        let hello = Hello::of_client(&frame.params());
        if self.push == Push::Off {
            let card = FrontCard {
                version: hello.version,
                principal: self.principal.clone(),
                declared: AskSet::default(),
                client: hello.client_name().into(),
                hello: Hello::nobody(),
                hears: false,
                since: None,
            };
            let caller = Caller::Implicit(card);
            let replies = ask(self.entry.shared.clone(), caller, frame, false).await?;
            return self.answer(replies, accepts, id).await;
        }
        let beginning = sessions.begin(self.entry, self.principal, hello).await?;
        let session = &beginning.session;
        // A child that many share is told nothing of the session, so there is nothing to keep of it either.
        let caller = if beginning.is_private() {
            Caller::Front(session.who.clone())
        } else {
            Caller::Implicit(FrontCard::clone(&session.who.card))
        };
        // Its answer carries the session id in its head, so it is never begun before it is known.
        let mut replies = ask(session.link.clone(), caller, frame, false).await?;
        let first = replies.next().await;
        let succeeded = matches!(&first, Some(Event::Answer { error: None, .. }));
        let mut answer = self.render(first, replies, accepts, id)?;
        if succeeded {
            let id = HeaderValue::try_from(beginning.done()).expect("ids are made of letters");
            answer.headers_mut().insert(SESSION, id);
        }
        Ok(answer)
    }
}
