//! Who wants to hear of which resource. The child is told once for all of them, and once more when the last has gone.

use std::collections::HashMap;

use crate::wire::id::{CallId, FrontId};

/// Who wants to hear of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subscriber {
    Session(FrontId),
    /// A stream of changes of a client without a session.
    Listen(CallId),
}

/// The resources somebody subscribed to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: HashMap<Box<str>, Topic>,
    /// The subscriptions on their way, by the number of the bridge's own request.
    asked: HashMap<u64, Box<str>>,
}

#[derive(Debug, Default)]
struct Topic {
    subscribers: Vec<Subscriber>,
    /// The calls that wait for the child's word. Whoever changed its mind is `None` and wants an answer only.
    joining: Vec<(Option<Subscriber>, CallId)>,
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
    pub unwanted: Option<Box<str>>,
}

// === impl Topics ===

impl Topics {
    pub(super) fn join(&mut self, uri: &str, who: Subscriber, call: CallId) -> Joined {
        let topic = self.topics.entry(uri.into()).or_default();
        if topic.state == State::Open {
            topic.add(who);
            return Joined::AtOnce;
        }
        // It may wait since before the child was restarted.
        if !topic.joining.contains(&(Some(who), call)) {
            topic.joining.push((Some(who), call));
        }
        if topic.state == State::Asked { Joined::Waiting } else { Joined::Ask }
    }

    /// Notes the number under which the child was asked.
    pub(super) fn asked(&mut self, serial: u64, uri: &str) {
        if let Some(topic) = self.topics.get_mut(uri) {
            topic.state = State::Asked;
            topic.serial = serial;
            self.asked.insert(serial, uri.into());
        }
    }

    /// The child's word on the request with this number; `None` if that was no subscription.
    pub(super) fn decided(&mut self, serial: u64, accepted: bool) -> Option<Decided> {
        let uri = self.asked.remove(&serial)?;
        let Some(topic) = self.topics.get_mut(&uri) else { return Some(Decided::default()) };
        let joining = std::mem::take(&mut topic.joining);
        let calls = joining.iter().map(|(_, call)| *call).collect();
        if accepted {
            topic.state = State::Open;
            joining.iter().filter_map(|(who, _)| *who).for_each(|who| topic.add(who));
        } else {
            topic.subscribers.clear();
        }
        let mut unwanted = None;
        if topic.subscribers.is_empty() {
            self.topics.remove(&uri);
            unwanted = accepted.then_some(uri);
        }
        Some(Decided { calls, unwanted })
    }

    /// Somebody no longer wants to hear of a resource. Gives the number under which the child was asked if it is to be told.
    pub(super) fn leave(&mut self, uri: &str, who: Subscriber) -> Option<u64> {
        let topic = self.topics.get_mut(uri)?;
        topic.subscribers.retain(|other| *other != who);
        if matches!(who, Subscriber::Listen(_)) {
            // A stream is not answered, so nobody is left who is.
            topic.joining.retain(|(other, _)| *other != Some(who));
        }
        for (wanting, _) in &mut topic.joining {
            wanting.take_if(|other| *other == who);
        }
        self.let_go(uri)
    }

    /// A call that waited for the child's word has been settled without it.
    pub(super) fn settled(&mut self, call: CallId) {
        let found = self.topics.iter_mut().find_map(|(uri, topic)| {
            let place = topic.joining.iter().position(|(_, other)| *other == call)?;
            topic.joining.remove(place);
            Some(uri.clone())
        });
        if let Some(uri) = found {
            self.let_go(&uri);
        }
    }

    /// Forgets a topic nobody wants, unless the child's word on it is still to come. Gives the number under which the child was
    /// asked if it is to be told.
    fn let_go(&mut self, uri: &str) -> Option<u64> {
        let done = self.topics.get(uri).is_some_and(|topic| {
            topic.subscribers.is_empty() && topic.joining.is_empty() && topic.state != State::Asked
        });
        let topic = if done { self.topics.remove(uri) } else { None };
        topic.filter(|topic| topic.state == State::Open).map(|topic| topic.serial)
    }

    /// Somebody has gone, and its calls are settled. Gives the resources the child is to be told of, and the numbers under
    /// which it was asked.
    pub(super) fn forget(&mut self, who: Subscriber) -> Vec<(Box<str>, u64)> {
        let is_in = |topic: &Topic| {
            topic.subscribers.contains(&who)
                || topic.joining.iter().any(|(other, _)| *other == Some(who))
        };
        let wanted = self.topics.iter().filter(|(_, topic)| is_in(topic));
        let mut uris: Vec<Box<str>> = wanted.map(|(uri, _)| uri.clone()).collect();
        uris.sort_unstable();
        let left = |uri: Box<str>| self.leave(&uri, who).map(|serial| (uri, serial));
        uris.into_iter().filter_map(left).collect()
    }

    /// Those that want to hear of a resource: subscribers of it, or of one it lies in.
    pub(super) fn audience(&self, uri: &str) -> Vec<Subscriber> {
        let mut audience: Vec<Subscriber> = self
            .topics
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
        let asked = |topic: &Topic| topic.serial == serial && topic.state != State::Unasked;
        self.topics.iter().find(|(_, topic)| asked(topic)).map(|(uri, _)| uri.as_ref())
    }

    /// Whether the child's word on the request with this number is still to come.
    pub(super) fn is_asked(&self, serial: u64) -> bool {
        self.asked.contains_key(&serial)
    }

    /// The child is gone. Its successor has to be told of these again.
    pub(super) fn lost(&mut self) -> Vec<Box<str>> {
        self.asked.clear();
        self.topics.retain(|_, topic| !topic.subscribers.is_empty() || !topic.joining.is_empty());
        for topic in self.topics.values_mut() {
            topic.state = State::Unasked;
        }
        let mut uris: Vec<Box<str>> = self.topics.keys().cloned().collect();
        uris.sort_unstable();
        uris
    }

    /// The child tells no more of what it was asked for under this number. False if it told of nothing.
    pub(super) fn ended(&mut self, serial: u64) -> bool {
        let open = |topic: &&mut Topic| topic.serial == serial && topic.state == State::Open;
        let Some(topic) = self.topics.values_mut().find(open) else { return false };
        topic.state = State::Unasked;
        true
    }

    /// What somebody subscribed to and the child does not know of.
    pub(super) fn unasked(&self) -> Vec<Box<str>> {
        let unasked = self.topics.iter().filter(|(_, topic)| topic.state == State::Unasked);
        let mut uris: Vec<Box<str>> = unasked.map(|(uri, _)| uri.clone()).collect();
        uris.sort_unstable();
        uris
    }

    /// Those that want to hear of exactly this.
    pub(super) fn subscribers_of(&self, uri: &str) -> Vec<Subscriber> {
        self.topics.get(uri).map(|topic| topic.subscribers.clone()).unwrap_or_default()
    }

    /// How many resources somebody subscribed to or asked to.
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    /// Who hears of any resource, some of them more than once.
    pub(super) fn subscribers(&self) -> impl Iterator<Item = Subscriber> + '_ {
        self.topics.values().flat_map(|topic| topic.subscribers.iter().copied())
    }

    /// How many resources somebody hears of.
    pub(super) fn held_by(&self, who: Subscriber) -> usize {
        let holds = |topic: &&Topic| {
            topic.subscribers.contains(&who) || topic.joining.iter().any(|(w, _)| *w == Some(who))
        };
        self.topics.values().filter(holds).count()
    }

    pub(super) fn contains(&self, uri: &str) -> bool {
        self.topics.contains_key(uri)
    }
}

// === impl Topic ===

impl Topic {
    fn add(&mut self, who: Subscriber) {
        if !self.subscribers.contains(&who) {
            self.subscribers.push(who);
        }
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
}
