//! The child's notifications: progress, log messages, changes.

use bytes::Bytes;

use super::telling::Told;
use super::{Child, Switchboard, Tenancy};
use crate::bridge::call::Stage;
use crate::bridge::front::Level;
use crate::bridge::greeting::Lists;
use crate::bridge::outlet::{Outlet, Weight};
use crate::bridge::topics::Subscriber;
use crate::bridge::turn::{Dropped, Note, Turn};
use crate::wire::frame::Frame;
use crate::wire::glance::Progress;
use crate::wire::id::{CallId, FrontId, Numbered, RawId, UpstreamId};
use crate::wire::meta::{self, Params};
use crate::wire::method::{Method, NoticeRoute};
use crate::wire::raw;
use crate::wire::splice::Patch;
use crate::wire::version::Era;

/// What sessions that never chose a level hear from a shared child.
pub(super) const DEFAULT_LEVEL: Level = Level::Info;

impl<R: Outlet> Switchboard<R> {
    pub(super) fn notice(&mut self, frame: &Frame, turn: &mut Turn) {
        let params = frame.params();
        let route = frame.method().as_notice();
        if self.is_child_modern()
            && !matches!(
                route,
                NoticeRoute::Progress
                    | NoticeRoute::Log
                    | NoticeRoute::Cancel
                    | NoticeRoute::CloseStream
            )
        {
            return self.heard_on_stream(frame, turn);
        }
        match route {
            NoticeRoute::Progress => self.progress(frame, &params, turn),
            NoticeRoute::Log => self.logged(frame, &params, turn),
            NoticeRoute::Cancel => {
                if let Some(id) = params.request_id
                    && !self.listen_ended(id.get(), turn)
                {
                    self.ask_cancelled(&RawId::new(id.get()), turn);
                }
            }
            NoticeRoute::ResourceUpdated => {
                let uri = params.uri.and_then(|raw| raw::string(raw.get()));
                self.updated(&uri.unwrap_or_default(), frame.text(), turn);
            }
            NoticeRoute::ListChanged => {
                self.lists_changed(frame.method(), turn);
                self.announce(frame.method(), frame.text(), turn);
            }
            NoticeRoute::CloseStream => {
                let number = params.request_id.and_then(|raw| raw.get().parse().ok());
                if let Some(Numbered::Call { call, .. }) =
                    number.and_then(|number| UpstreamId(number).read())
                {
                    self.cut_off(call, turn);
                }
            }
            NoticeRoute::Forward if self.heard_of_task(frame, turn) => {}
            NoticeRoute::Forward => self.for_the_only_client(frame.text(), turn),
        }
    }

    /// A list is not what it was.
    pub(super) fn lists_changed(&mut self, notice: Method, turn: &mut Turn) {
        self.recall.memory.changed(notice);
        if notice == Method::ToolsListChanged {
            turn.notes.push(Note::ToolsChanged);
        }
    }

    fn progress(&mut self, frame: &Frame, params: &Params<'_>, turn: &mut Turn) {
        let read = || {
            let token = params.progress_token?;
            let number = token.get().trim_matches('"').parse().ok()?;
            let value = params.progress?.get().parse().ok()?;
            Some(Progress { number, at: meta::place(token, frame.text()), value })
        };
        match read() {
            Some(progress) => self.comes_on(progress, frame.text(), turn),
            None => turn.dropped(Dropped::StrayProgress),
        }
    }

    /// Takes a line of the child that was seen to be progress at a glance.
    pub fn glanced(&mut self, progress: Progress, text: &Bytes, turn: &mut Turn) {
        if matches!(self.child, Child::Ready { .. }) {
            self.comes_on(progress, text, turn);
        } else {
            turn.dropped(Dropped::Unheard);
        }
        self.bury(turn);
    }

    fn comes_on(&mut self, progress: Progress, text: &Bytes, turn: &mut Turn) {
        let Progress { number, at, value } = progress;
        let Some(Numbered::Call { call: id, flight }) = UpstreamId(number).read() else {
            return turn.dropped(Dropped::StrayProgress);
        };
        let (limits, call) = (&self.limits, self.calls.get_mut(&id));
        let works = |stage| matches!(stage, Stage::Flying | Stage::Returning);
        let call = call.filter(|call| works(call.state) && call.flight == flight);
        let Some(call) = call.filter(|call| value > call.progress) else {
            return turn.dropped(Dropped::StrayProgress);
        };
        let Some(token) = &call.token else {
            return turn.dropped(Dropped::StrayProgress);
        };
        let text = self.news.splice(text, &[Patch { at, with: token.as_bytes() }]);
        call.progress = value;
        let longest = call.started + limits.request_timeout_max;
        call.deadline = (turn.now + limits.request_timeout).min(longest).max(call.deadline);
        self.tell_progress(id, text, turn);
    }

    /// A message about a call: on its answer if that can hold it, else on its session's stream, else nowhere.
    pub(super) fn tell_about(&mut self, id: CallId, text: &Bytes, turn: &mut Turn) -> Told {
        let told = self.put_on_call(id, text, Weight::Droppable, turn);
        if told != Told::Nowhere {
            return told;
        }
        let front = self.calls.get(&id).and_then(|call| call.front());
        front.map_or(told, |front| self.put_on_front(front, text, Weight::Droppable, turn))
    }

    fn tell_call_or_front(&mut self, id: CallId, text: &Bytes, turn: &mut Turn) {
        match self.tell_about(id, text, turn) {
            Told::Yes => {}
            Told::Late => turn.dropped(Dropped::SlowClient),
            Told::Nowhere => turn.dropped(Dropped::Unheard),
        }
    }

    fn logged(&mut self, frame: &Frame, params: &Params<'_>, turn: &mut Turn) {
        let level = params.level.and_then(|raw| raw::string(raw.get()));
        // An unknown level is shown: it is better heard than lost.
        let level = level.and_then(|name| Level::parse(&name)).unwrap_or(Level::Emergency);
        if !self.parties.are_one() {
            return turn.dropped(Dropped::Unheard);
        }
        if let Some((call, front)) = self.only_call() {
            let wanted = self.calls.get(&call).and_then(|call| call.level);
            if wanted.is_some_and(|least| level >= least) {
                return self.tell_call_or_front(call, frame.text(), turn);
            }
            if front.is_some_and(|front| self.wants(front, level)) {
                return self.tell_call_or_front(call, frame.text(), turn);
            }
            return turn.dropped(Dropped::Unheard);
        }
        let audience: Vec<FrontId> = self
            .fronts
            .iter()
            .filter(|(id, front)| !front.standing.is_empty() && self.wants(**id, level))
            .map(|(id, _)| *id)
            .collect();
        if audience.is_empty() {
            turn.dropped(Dropped::Unheard);
        }
        for front in audience {
            self.tell_front(front, frame.text(), Weight::Droppable, turn);
        }
    }

    fn wants(&self, front: FrontId, level: Level) -> bool {
        let chosen = self.fronts.get(&front).and_then(|front| front.level);
        match (chosen, self.tenancy) {
            (Some(least), _) => level >= least,
            (None, Tenancy::Private) => true,
            (None, Tenancy::Shared | Tenancy::Pooled { .. }) => level >= DEFAULT_LEVEL,
        }
    }

    /// The call the child is working on, if it is one.
    fn only_call(&self) -> Option<(CallId, Option<FrontId>)> {
        if self.flying != 1 {
            return None;
        }
        let (id, call) = self.calls.iter().find(|(_, call)| call.state == Stage::Flying)?;
        Some((*id, call.front()))
    }

    fn updated(&mut self, uri: &str, text: &Bytes, turn: &mut Turn) {
        let mut audience = self.topics.audience(uri);
        if audience.is_empty() && self.tenancy == Tenancy::Private {
            // Old servers tell of resources nobody subscribed to; their one client may want it.
            audience.extend(self.fronts.keys().map(|front| Subscriber::Session(*front)));
        }
        if audience.is_empty() {
            turn.dropped(Dropped::Unheard);
        }
        self.tell_subscribers(audience, text, turn);
    }

    pub(super) fn tell_subscribers(
        &mut self,
        audience: Vec<Subscriber>,
        text: &Bytes,
        turn: &mut Turn,
    ) {
        for who in audience {
            match who {
                Subscriber::Listen(call) => self.pass_to_listen(call, text, turn),
                Subscriber::Session(front) => {
                    if !self.tell_front(front, text, Weight::Needed, turn) {
                        turn.dropped(Dropped::Unheard);
                    }
                }
            }
        }
    }

    /// A child that has just come may have other lists than the one `before`, be that one of ours or of an earlier process.
    /// Whoever is still waiting for its handshake, or came to the first of ours, knows no list.
    pub(super) fn announce_all(&mut self, lists: Lists, before: bool, turn: &mut Turn) {
        let is_new =
            |id: CallId| self.calls.get(&id).is_some_and(|call| call.method == Method::Initialize);
        let fronts: Vec<FrontId> = self
            .fronts
            .iter()
            .filter(|(_, front)| before || front.card.since.is_some_and(|since| since < self.born))
            .filter(|(_, front)| !front.calls.iter().any(|(_, call)| is_new(*call)))
            .map(|(id, _)| *id)
            .collect();
        for method in lists.notices() {
            self.tell_listens(method, turn);
            self.announce_to(fronts.clone(), method, &bare_notice(method), turn);
        }
    }

    /// A notification nobody knows here: to the one session of a private child, to nobody from a shared one.
    fn for_the_only_client(&mut self, text: &Bytes, turn: &mut Turn) {
        let front = self.fronts.keys().next().copied();
        let Some(front) = front.filter(|_| self.tenancy == Tenancy::Private) else {
            return turn.dropped(Dropped::Unheard);
        };
        match self.only_call() {
            Some((call, Some(_))) => self.tell_call_or_front(call, text, turn),
            _ if self.tell_front(front, text, Weight::Droppable, turn) => {}
            _ => turn.dropped(Dropped::Unheard),
        }
    }

    /// Tells the child the most verbose level anybody wants, if that has changed.
    pub(super) fn raise_level(&mut self, turn: &mut Turn) {
        let of_calls = self.calls.values().filter_map(|call| call.level);
        let wanted = self.fronts.values().filter_map(|front| front.level).chain(of_calls).min();
        // A child without a handshake is told with each request.
        let logging = matches!(&self.child, Child::Ready { abilities, .. }
            if abilities.logging && abilities.era == Era::Legacy);
        if !logging || wanted == self.child_level {
            return;
        }
        self.child_level = wanted;
        let level = wanted.unwrap_or(DEFAULT_LEVEL);
        self.ask_child("logging/setLevel", "level", level.name(), turn);
    }
}

/// A notification that a list has changed, as the bridge tells it by itself.
pub(super) fn bare_notice(method: Method) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, method.name()).into()
}
