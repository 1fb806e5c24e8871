//! Who wants to hear of which resource. The child is told once for all of them, and once more when the last has gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::numbered::ByNumber;
use crate::wire::id::{CallId, FrontId};

/// Who wants to hear of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subscriber {
    Session(FrontId),
    /// A stream of changes of a client without a session.
    Listen(CallId),
}

/// The resources somebody subscribed to. Whoever comes or goes costs as much as it holds itself, however many others there are.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_uri: HashMap<Arc<str>, Topic>,
    /// What each subscriber hears of or waits for.
    held: HashMap<Subscriber, BTreeSet<Arc<str>>>,
    /// What the child was asked for and has not ended, by the numbers of the bridge's own requests.
    serials: ByNumber<u64, Arc<str>>,
    /// What calls of sessions wait for.
    calls: ByNumber<CallId, Arc<str>>,
}

#[derive(Debug, Default)]
struct Topic {
    subscribers: BTreeSet<Subscriber>,
    /// The calls that wait for the child's word. Whoever changed its mind is `None` and wants an answer only.
    joining: BTreeMap<CallId, Option<Subscriber>>,
    state: State,
    /// The bridge's own request that asked the child for it.
    serial: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The child does not know of it.
    #[default]
    Unasked,
    /// The child has been asked and its word decides.
    Asked,
    /// The child tells of it.
    Open,
    /// The child told of it and does so no more. It is asked again if somebody new wants to hear of it.
    Silent,
}

/// What a wish to subscribe leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The child is telling us already.
    AtOnce,
    /// Another's request is under way and will answer this one too.
    Waiting,
    /// The child has to be asked.
    Ask,
}

/// What a child's word about a subscription leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    /// The calls to answer.
    pub calls: Vec<CallId>,
    /// Everybody left meanwhile: unsubscribe from this.
    pub unwanted: Option<Arc<str>>,
}

// === impl Topics ===

impl Topics {
    pub(super) fn join(&mut self, uri: &str, who: Subscriber, call: CallId) -> Joined {
        let known = self.by_uri.get_key_value(uri).map(|(uri, _)| Arc::clone(uri));
        let uri = known.unwrap_or_else(|| uri.into());
        self.held.entry(who).or_default().insert(Arc::clone(&uri));
        let topic = self.by_uri.entry(Arc::clone(&uri)).or_default();
        if topic.state == State::Open {
            topic.subscribers.insert(who);
            return Joined::AtOnce;
        }
        topic.joining.insert(call, Some(who));
        let joined = if topic.state == State::Asked { Joined::Waiting } else { Joined::Ask };
        if matches!(who, Subscriber::Session(_)) {
            self.calls.insert(call, uri);
        }
        joined
    }

    /// Notes the number under which the child was asked.
    pub(super) fn asked(&mut self, serial: u64, uri: &str) {
        let Some((uri, _)) = self.by_uri.get_key_value(uri) else { return };
        let uri = Arc::clone(uri);
        if let Some(topic) = self.by_uri.get_mut(&uri) {
            topic.state = State::Asked;
            topic.serial = serial;
            self.serials.insert(serial, uri);
        }
    }

    /// The child's word on the request with this number; `None` if that was no subscription.
    pub(super) fn decided(&mut self, serial: u64, accepted: bool) -> Option<Decided> {
        let uri = Arc::clone(self.serials.get(&serial)?);
        let topic = self.by_uri.get_mut(&uri).filter(|topic| topic.state == State::Asked)?;
        let joining = std::mem::take(&mut topic.joining);
        let calls: Vec<CallId> = joining.keys().copied().collect();
        for call in &calls {
            self.calls.remove(call);
        }
        let joining = joining.into_values().flatten();
        if accepted {
            topic.state = State::Open;
            topic.subscribers.extend(joining);
        } else {
            for who in std::mem::take(&mut topic.subscribers).into_iter().chain(joining) {
                release(&mut self.held, who, &uri);
            }
        }
        let mut unwanted = None;
        if topic.subscribers.is_empty() {
            self.by_uri.remove(&uri);
            self.serials.remove(&serial);
            unwanted = accepted.then_some(uri);
        }
        Some(Decided { calls, unwanted })
    }

    /// Somebody no longer wants to hear of a resource. Gives the number under which the child was asked if it is to be told.
    pub(super) fn leave(&mut self, uri: &str, who: Subscriber) -> Option<u64> {
        let topic = self.by_uri.get_mut(uri)?;
        topic.subscribers.remove(&who);
        match who {
            // A stream is not answered, so nobody is left who is.
            Subscriber::Listen(call) => {
                topic.joining.remove(&call);
            }
            Subscriber::Session(_) => {
                for wanting in topic.joining.values_mut() {
                    wanting.take_if(|other| *other == who);
                }
            }
        }
        release(&mut self.held, who, uri);
        self.let_go(uri)
    }

    /// A call that waited for the child's word has been settled without it.
    pub(super) fn settled(&mut self, call: CallId) {
        let Some(uri) = self.calls.remove(&call) else { return };
        let Some(topic) = self.by_uri.get_mut(&uri) else { return };
        if let Some(Some(who)) = topic.joining.remove(&call)
            && !topic.is_wanted_by(who)
        {
            release(&mut self.held, who, &uri);
        }
        self.let_go(&uri);
    }

    /// Forgets a topic nobody wants, unless the child's word on it is still to come. Gives the number under which the child was
    /// asked if it is to be told.
    fn let_go(&mut self, uri: &str) -> Option<u64> {
        let done = self.by_uri.get(uri).is_some_and(|topic| {
            topic.subscribers.is_empty() && topic.joining.is_empty() && topic.state != State::Asked
        });
        let topic = if done { self.by_uri.remove(uri) } else { None };
        let serial = topic.filter(|topic| topic.state == State::Open)?.serial;
        self.serials.remove(&serial);
        Some(serial)
    }

    /// Somebody has gone, and its calls are settled. Gives the resources the child is to be told of, and the numbers under
    /// which it was asked.
    pub(super) fn forget(&mut self, who: Subscriber) -> Vec<(Arc<str>, u64)> {
        let uris = self.held.get(&who).cloned().unwrap_or_default();
        let left = |uri: Arc<str>| self.leave(&uri, who).map(|serial| (uri, serial));
        uris.into_iter().filter_map(left).collect()
    }

    /// Those that want to hear of a resource: subscribers of it, or of one it lies in.
    pub(super) fn audience(&self, uri: &str) -> Vec<Subscriber> {
        let mut audience: Vec<Subscriber> = self
            .by_uri
            .iter()
            .filter(|(topic, _)| lies_in(uri, topic))
            .flat_map(|(_, topic)| topic.subscribers.iter().copied())
            .collect();
        audience.sort_unstable();
        audience.dedup();
        audience
    }

    /// The resource the child was asked for under this number.
    pub(super) fn of(&self, serial: u64) -> Option<&str> {
        self.serials.get(&serial).map(AsRef::as_ref)
    }

    /// Whether the child's word on the request with this number is still to come.
    pub(super) fn is_asked(&self, serial: u64) -> bool {
        let topic = self.serials.get(&serial).and_then(|uri| self.by_uri.get(uri));
        topic.is_some_and(|topic| topic.state == State::Asked)
    }

    /// The child is gone. Its successor has to be told of these again.
    pub(super) fn lost(&mut self) -> Vec<Arc<str>> {
        self.serials.clear();
        self.by_uri.retain(|_, topic| !topic.subscribers.is_empty() || !topic.joining.is_empty());
        for topic in self.by_uri.values_mut() {
            topic.state = State::Unasked;
        }
        self.unasked()
    }

    /// The child tells no more of what it was asked for under this number, and is to be asked `again` or not. False if it told of
    /// nothing.
    pub(super) fn ended(&mut self, serial: u64, again: bool) -> bool {
        let topic = self.serials.get(&serial).and_then(|uri| self.by_uri.get_mut(uri));
        let Some(topic) = topic.filter(|topic| topic.state == State::Open) else { return false };
        topic.state = if again { State::Unasked } else { State::Silent };
        self.serials.remove(&serial);
        true
    }

    /// What somebody subscribed to and the child is to be asked for.
    pub(super) fn unasked(&self) -> Vec<Arc<str>> {
        let unasked = self.by_uri.iter().filter(|(_, topic)| topic.state == State::Unasked);
        let mut uris: Vec<Arc<str>> = unasked.map(|(uri, _)| Arc::clone(uri)).collect();
        uris.sort_unstable();
        uris
    }

    /// Those that want to hear of exactly this.
    pub(super) fn subscribers_of(&self, uri: &str) -> Vec<Subscriber> {
        let topic = self.by_uri.get(uri);
        topic.map(|topic| topic.subscribers.iter().copied().collect()).unwrap_or_default()
    }

    /// How many resources somebody subscribed to or asked to.
    pub(super) fn len(&self) -> usize {
        self.by_uri.len()
    }

    /// Who hears of any resource, or waits to.
    pub(super) fn subscribers(&self) -> impl Iterator<Item = Subscriber> + '_ {
        self.held.keys().copied()
    }

    /// How many resources somebody hears of.
    pub(super) fn held_by(&self, who: Subscriber) -> usize {
        self.held.get(&who).map_or(0, BTreeSet::len)
    }

    pub(super) fn contains(&self, uri: &str) -> bool {
        self.by_uri.contains_key(uri)
    }
}

// === impl Topic ===

impl Topic {
    fn is_wanted_by(&self, who: Subscriber) -> bool {
        self.subscribers.contains(&who) || self.joining.values().any(|other| *other == Some(who))
    }
}

/// Somebody no longer holds a resource.
fn release(held: &mut HashMap<Subscriber, BTreeSet<Arc<str>>>, who: Subscriber, uri: &str) {
    let Some(uris) = held.get_mut(&who) else { return };
    uris.remove(uri);
    if uris.is_empty() {
        held.remove(&who);
    }
}

/// Whether `uri` is `topic` or lies below it.
fn lies_in(uri: &str, topic: &str) -> bool {
    uri.strip_prefix(topic)
        .is_some_and(|rest| rest.is_empty() || topic.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Subscriber = Subscriber::Session(FrontId(1));
    const B: Subscriber = Subscriber::Listen(CallId(7));

    fn open(topics: &mut Topics, uri: &str, all: &[Subscriber]) {
        for (n, who) in all.iter().enumerate() {
            let joined = topics.join(uri, *who, CallId(n as u64));
            assert_eq!(joined, if n == 0 { Joined::Ask } else { Joined::Waiting });
            if n == 0 {
                topics.asked(1, uri);
            }
        }
        assert_eq!(topics.decided(1, true).unwrap().calls.len(), all.len());
    }

    #[test]
    fn the_child_is_told_once_and_the_last_to_leave_tells_it_again() {
        let mut topics = Topics::default();
        open(&mut topics, "file:///a", &[A, B]);
        assert_eq!(topics.join("file:///a", A, CallId(9)), Joined::AtOnce);
        assert_eq!(topics.leave("file:///a", A), None);
        assert_eq!(topics.leave("file:///a", A), None, "leaving twice counts once");
        assert_eq!(topics.leave("file:///a", B), Some(1));
        assert_eq!(topics.join("file:///a", A, CallId(9)), Joined::Ask);
    }

    #[test]
    fn a_refusal_reaches_all_who_waited_and_leaves_nothing() {
        let mut topics = Topics::default();
        topics.join("x:/", A, CallId(1));
        topics.asked(5, "x:/");
        topics.join("x:/", B, CallId(2));
        let decided = topics.decided(5, false).unwrap();
        assert_eq!(decided, Decided { calls: vec![CallId(1), CallId(2)], unwanted: None });
        assert_eq!(topics.decided(5, true), None);
        assert!(topics.audience("x:/").is_empty());
    }

    #[test]
    fn who_leaves_before_the_answer_is_unsubscribed_after_it() {
        let mut topics = Topics::default();
        topics.join("x:/", A, CallId(1));
        topics.asked(5, "x:/");
        topics.settled(CallId(1));
        assert_eq!(topics.forget(A), []);
        assert_eq!(topics.decided(5, true).unwrap().unwanted.as_deref(), Some("x:/"));
    }

    #[test]
    fn who_changes_its_mind_before_the_answer_is_answered_and_hears_nothing() {
        let mut topics = Topics::default();
        topics.join("x:/", A, CallId(1));
        topics.asked(5, "x:/");
        assert_eq!(topics.leave("x:/", A), None, "the child's word is still to come");
        assert_eq!(topics.join("x:/", B, CallId(2)), Joined::Waiting, "it is asked once");
        assert_eq!(topics.decided(5, true).unwrap().calls, [CallId(1), CallId(2)]);
        assert_eq!(topics.audience("x:/"), [B]);
    }

    #[test]
    fn nothing_is_left_of_who_leaves_while_the_child_is_gone() {
        let mut topics = Topics::default();
        open(&mut topics, "x:/", &[A]);
        topics.lost();
        assert_eq!(topics.forget(A), []);
        assert_eq!(topics.len(), 0);
    }

    #[test]
    fn a_change_reaches_subscribers_of_the_resource_and_of_what_it_lies_in() {
        let mut topics = Topics::default();
        open(&mut topics, "file:///a", &[A]);
        open(&mut topics, "file:///a/b", &[B]);
        assert_eq!(topics.audience("file:///a/b"), [A, B]);
        assert_eq!(topics.audience("file:///a"), [A]);
        assert!(topics.audience("file:///ab").is_empty());
    }

    #[test]
    fn a_new_child_is_told_of_what_is_still_wanted() {
        let mut topics = Topics::default();
        open(&mut topics, "file:///a", &[A]);
        assert_eq!(topics.lost(), ["file:///a".into()]);
        assert_eq!(topics.audience("file:///a"), [A], "subscribers stay");
    }

    #[test]
    fn who_holds_what_is_known_until_the_last_has_gone() {
        let mut topics = Topics::default();
        open(&mut topics, "a:/1", &[A, B]);
        topics.join("a:/2", A, CallId(20));
        topics.join("a:/2", B, CallId(7));
        topics.join("a:/2", A, CallId(21));
        topics.asked(2, "a:/2");
        assert_eq!((topics.held_by(A), topics.held_by(B)), (2, 2));
        topics.settled(CallId(20));
        assert_eq!(topics.held_by(A), 2, "it waits with another call");
        topics.settled(CallId(21));
        assert_eq!((topics.held_by(A), topics.of(2)), (1, Some("a:/2")));
        topics.decided(2, false);
        assert_eq!((topics.held_by(B), topics.of(2)), (1, None));
        assert_eq!(topics.forget(A), []);
        assert_eq!(topics.forget(B), [("a:/1".into(), 1)]);
        assert!(topics.held.is_empty() && topics.calls.is_empty() && topics.serials.is_empty());
    }

    #[test]
    fn many_that_want_the_same_come_and_go_without_looking_at_each_other() {
        let mut topics = Topics::default();
        let uris: Vec<String> = (0..64).map(|n| format!("a:/{n}")).collect();
        let began = std::time::Instant::now();
        for call in 0..4000 {
            for (serial, uri) in (1..).zip(&uris) {
                let who = Subscriber::Listen(CallId(call));
                if topics.join(uri, who, CallId(call)) == Joined::Ask {
                    topics.asked(serial, uri);
                }
            }
        }
        for call in 0..4000 {
            topics.forget(Subscriber::Listen(CallId(call)));
        }
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
        assert_eq!(topics.subscribers().count(), 0);
    }
}
