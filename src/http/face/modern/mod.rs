//! Streamable HTTP without a handshake, as of revision 2026-07-28: each request says all there is to know of its client, its answer
//! is the only way back, and leaving it is how it is cancelled. There are no sessions, no other streams and nothing to take up
//! again.
//!
//! - `rounds`: calls that come again with answers to what they were asked
//! - `mirrored`: headers that repeat arguments

mod mirrored;
mod rounds;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::streamable::{Accepts, CALL_EVENTS_MAX, accepted, ask};
use crate::bridge::front::FrontCard;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane, Pool};
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::http::Visit;
use crate::http::body::Body;
use crate::http::heads::VERSION;
use crate::http::render::{Refused, json, status_of_error};
use crate::link::guests::Guest;
use crate::link::handle::Link;
use crate::link::replies::{self, Replies};
use crate::link::sealer::{Sealable, Sealer};
use crate::wire::envelope::{Envelope, Labels, Said, Sighted};
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, RawId};
use crate::wire::method::Method;
use crate::wire::version::{Era, Version};

use self::rounds::TakenUp;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// How a refusal is told.
type Refuse = fn(Refusal, Option<RawId>) -> Refused;

/// The call a request goes on with, and the round it answers.
type Suspended = (CallId, u32);

impl Visit<'_> {
    pub(in crate::http) async fn modern(
        &self,
        sighted: Sighted<'_>,
    ) -> Result<Response<Body>, Refused> {
        let frame = sighted.frame;
        // This revision knows no notification of a client that could be acted on: whoever cancels, leaves.
        if frame.kind() != Kind::Request {
            return Ok(accepted());
        }
        let id = frame.id();
        // Clients that try this era first take a 5xx for an outage, and then try no other.
        let refused =
            if frame.method() == Method::Discover { Refused::new } else { Refused::modern };
        self.request(sighted, id.as_ref(), refused).await.map_err(|why| refused(why, id))
    }

    async fn request(
        &self,
        sighted: Sighted<'_>,
        id: Option<&RawId>,
        refused: Refuse,
    ) -> Result<Response<Body>, Refusal> {
        if self.house.is_stopping() {
            return Err(Refusal::Interrupted);
        }
        let accepts = self.forms()?;
        let labels = Labels {
            version: self.said(VERSION),
            method: self.said(METHOD),
            name: self.said(NAME),
        };
        let frame = sighted.frame;
        let envelope = Envelope::examine(&sighted, &labels).map_err(Refusal::Objection)?;
        let taken_up = self.taken_up(frame, &envelope.params)?;
        // The seal holds who goes on with a call to the arguments it began with.
        let goes_on = matches!(taken_up, TakenUp::Suspended(..));
        if frame.method() == Method::ToolsCall && !goes_on {
            self.check_mirrored(frame, &envelope.params).await?;
        }
        let card = self.card(self.house.guests.meet(&envelope));
        let (link, frame, suspended) = match taken_up {
            TakenUp::New => (self.link_for(frame, &card).await?, frame.clone(), None),
            TakenUp::Exchanged(frame) => (self.link_for(&frame, &card).await?, frame, None),
            TakenUp::Suspended(slot, suspended) => {
                let link = self.entry.pools.numbered(slot).ok_or(Refusal::StateInvalid)?;
                (link, frame.clone(), Some(suspended))
            }
        };
        let replies = self.send(link, card, frame, accepts.events, suspended).await?;
        self.answer_modern(replies, accepts, id, refused).await
    }

    /// Sends a request down a link and gives the place to wait for its answer.
    async fn send(
        &self,
        link: Link,
        card: FrontCard,
        request: Frame,
        streams: bool,
        suspended: Option<Suspended>,
    ) -> Result<Replies, Refusal> {
        let (outlet, mut replies) = replies::channel(CALL_EVENTS_MAX);
        if request.method().may_ask() {
            replies.sealed_by(Sealer {
                keys: self.house.sessions.keys(),
                server: self.entry.name.clone(),
                principal: self.principal.clone(),
                request: Sealable::of(&request),
                slot: link.number(),
            });
        }
        let (caller, reach) = (Caller::Implicit(card), Reach::Own { outlet, streams });
        let order = move |call| match suspended {
            None => Order::Call { call, caller, request, reach },
            Some((suspended, round)) => {
                Order::Retry { call, caller, request, reach, suspended, round }
            }
        };
        match link.call(replies, order) {
            Ok(replies) => Ok(replies),
            Err(delayed) => delayed.await,
        }
    }

    /// Waits for what comes first and answers in the form and with the status it asks for.
    async fn answer_modern(
        &self,
        mut replies: Replies,
        accepts: Accepts,
        id: Option<&RawId>,
        refused: Refuse,
    ) -> Result<Response<Body>, Refusal> {
        match replies.next().await {
            Some(Event::Answer { text, error, .. }) if accepts.json => {
                Ok(json(error.map_or(StatusCode::OK, status_of_error), text))
            }
            Some(Event::Refuse { why, .. }) if accepts.json => {
                Ok(refused(why, id.cloned()).into_response())
            }
            Some(event) => Ok(self.events(replies).begin(&event).into_response()),
            None => Err(Refusal::Interrupted),
        }
    }

    /// The slot that answers a request.
    async fn link_for(&self, frame: &Frame, card: &FrontCard) -> Result<Link, Refusal> {
        let (config, declared) = (&self.entry.config, card.declared);
        let may_be_pooled = Lane::of_request(config, declared, Era::Legacy) == Lane::Pooled;
        if frame.method() == Method::Discover || !may_be_pooled {
            return Ok(self.entry.shared.clone());
        }
        let child = self.child_era().await?;
        if Lane::of_request(config, declared, child) != Lane::Pooled {
            return Ok(self.entry.shared.clone());
        }
        let pool = Pool::of(self.principal.clone(), &card.hello.capabilities);
        self.entry.pooled(pool).await
    }

    /// Of which era the children of this server are. If that is not known yet, the shared one is asked what it is.
    async fn child_era(&self) -> Result<Era, Refusal> {
        if let Some(era) = self.entry.era.era() {
            return Ok(era);
        }
        // A `server/discover` waits only a moment for a child that starts. This waits as long as the request that needs to know.
        let text = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
        let mut replies = self.ask_shared(Version::NEWEST_LEGACY, text.to_owned()).await?;
        match replies.next().await {
            Some(Event::Refuse { why, .. }) => Err(why),
            Some(_) => Ok(self.entry.era.era().unwrap_or(Era::Legacy)),
            None => Err(Refusal::Interrupted),
        }
    }

    /// A request of our own to the shared child. `params` are members, with a comma behind them.
    async fn ask_ourselves(&self, method: Method, params: &str) -> Result<Replies, Refusal> {
        let (method, envelope) = (method.name(), Hello::own_envelope());
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{{{params}"_meta":{{{envelope}}}}}}}"#
        );
        self.ask_shared(Version::MODERN, text).await
    }

    async fn ask_shared(&self, version: Version, text: String) -> Result<Replies, Refusal> {
        let frame = Frame::skim(text.into()).expect("it is made of sound parts");
        let card = FrontCard {
            version,
            principal: self.principal.clone(),
            declared: AskSet::default(),
            client: "stdiod".into(),
            hello: Hello::nobody(),
            hears: true,
            since: None,
        };
        ask(self.entry.shared.clone(), Caller::Implicit(card), frame, false).await
    }

    fn card(&self, guest: Guest) -> FrontCard {
        let Guest { hello, declared, name } = guest;
        let agent = || self.header(&header::USER_AGENT).unwrap_or_default().into();
        FrontCard {
            version: Version::MODERN,
            principal: self.principal.clone(),
            declared,
            client: if name.is_empty() { agent() } else { name },
            hello,
            hears: true,
            since: None,
        }
    }

    fn said(&self, name: HeaderName) -> Said<'_> {
        self.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    /// All values of a header.
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Vec::new() };
        self.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }
}
