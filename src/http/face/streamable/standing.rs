//! What is asked for without a POST: the stream of a session, and its end.

use hyper::header::HeaderName;
use hyper::{Method, Response};

use crate::bridge::front::Vanish;
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Order;
use crate::config::model::Push;
use crate::http::Visit;
use crate::http::body::Body;
use crate::http::render::Refused;
use crate::link::replies::{self, EVENTS_MAX};
use crate::wire::id::EventId;

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Room for everything a stream log can hold, so that a reader that comes back gets it at once.
const REPLAY_MAX: usize = EVENTS_MAX + 1024;

/// All but POST.
pub(in crate::http) async fn serve(visit: Visit<'_>) -> Result<Response<Body>, Refused> {
    let push = visit.push == Push::On;
    match visit.asked.head.method {
        // Nothing but POST is known to who speaks without a handshake.
        _ if visit.says_modern() => Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into()),
        Method::GET if push => visit.get().await,
        Method::DELETE if push => visit.delete(),
        _ if push => Err(Refusal::HttpMethodNotAllowed { allow: "GET, POST, DELETE" }.into()),
        _ => Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into()),
    }
}

// === impl Visit ===

impl Visit<'_> {
    async fn get(&self) -> Result<Response<Body>, Refused> {
        // Without a session there is nothing to listen to. Of all refusals clients take none but a 405 calmly.
        if !self.accepts().events {
            let allow = if self.session_id().is_some() { "POST, DELETE" } else { "POST" };
            return Err(Refusal::HttpMethodNotAllowed { allow }.into());
        }
        let Some(session) = self.session().await? else {
            return Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into());
        };
        self.said_version()?;
        let (who, link) = (session.who.clone(), &session.link);
        let farewell = link.admit()?;
        let call = farewell.call();
        let after = match self.header(&LAST_EVENT) {
            None => None,
            Some(text) => Some(EventId::parse(text).ok_or(Refusal::EventGone)?),
        };
        let resumed = after.is_some();
        let room = if resumed { REPLAY_MAX } else { EVENTS_MAX };
        let (outlet, mut replies) = replies::channel(room);
        replies.promise(farewell);
        let order = match after {
            Some(after) => Order::Attach { call, who, after, outlet },
            None => Order::Listen { call, who, outlet, vanish: Vanish::Detach },
        };
        link.send(order).await?;
        match replies.next().await {
            Some(Event::Refuse { why, .. }) => Err(why.into()),
            Some(event) => {
                let events = self.events(replies).begin(&event);
                let events = match self.grant {
                    Some(grant) => events.until(grant.silenced()),
                    None => events,
                };
                // A stream that was taken up again may bring an answer, which is waited for even while the daemon stops.
                let doorway = self.asked.doorway;
                let end = if resumed { &doorway.last_call } else { &doorway.leaving };
                let events = events.until(end);
                Ok(self.with_session(events.into_response(), true))
            }
            None => Err(Refusal::Interrupted.into()),
        }
    }

    fn delete(&self) -> Result<Response<Body>, Refused> {
        let id = self.session_id().ok_or(Refusal::SessionMissing)?;
        if !self.house.sessions.end(id, self.entry, self.principal) {
            return Err(Refusal::SessionGone.into());
        }
        Ok(Response::new(Body::empty()))
    }
}
