//! Who wants to hear of which resource. The child is told once for all of them, and once more when the last has gone.

use std::collections::HashMap;

use crate::wire::id::{CallId, FrontId};

/// The resources somebody subscribed to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: HashMap<Box<str>, Topic>,
    /// The subscriptions on their way, by the number of the bridge's own request.
    asked: HashMap<u64, Box<str>>,
}

#[derive(Debug, Default)]
struct Topic {
    fronts: Vec<FrontId>,
    /// Those that wait for the child's word, with the calls that asked.
    joining: Vec<(FrontId, CallId)>,
    open: bool,
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
    pub(super) fn join(&mut self, uri: &str, front: FrontId, call: CallId) -> Joined {
        let topic = self.topics.entry(uri.into()).or_default();
        if topic.open {
            if !topic.fronts.contains(&front) {
                topic.fronts.push(front);
            }
            return Joined::AtOnce;
        }
        topic.joining.push((front, call));
        if topic.joining.len() > 1 { Joined::Waiting } else { Joined::Ask }
    }

    /// Notes the number under which the child was asked.
    pub(super) fn asked(&mut self, serial: u64, uri: &str) {
        self.asked.insert(serial, uri.into());
    }

    /// The child's word on the request with this number; `None` if that was no subscription.
    pub(super) fn decided(&mut self, serial: u64, accepted: bool) -> Option<Decided> {
        let uri = self.asked.remove(&serial)?;
        let Some(topic) = self.topics.get_mut(&uri) else { return Some(Decided::default()) };
        let joining = std::mem::take(&mut topic.joining);
        let calls = joining.iter().map(|(_, call)| *call).collect();
        if accepted {
            topic.open = true;
            for (front, _) in joining {
                if !topic.fronts.contains(&front) {
                    topic.fronts.push(front);
                }
            }
        } else {
            topic.fronts.clear();
        }
        let mut unwanted = None;
        if topic.fronts.is_empty() {
            self.topics.remove(&uri);
            unwanted = accepted.then_some(uri);
        }
        Some(Decided { calls, unwanted })
    }

    /// One front no longer wants to hear of a resource. True if the child is to be told.
    pub(super) fn leave(&mut self, uri: &str, front: FrontId) -> bool {
        let Some(topic) = self.topics.get_mut(uri) else { return false };
        topic.fronts.retain(|other| *other != front);
        topic.joining.retain(|(other, _)| *other != front);
        // While the first subscription is on its way, its answer decides.
        if !topic.open || !topic.fronts.is_empty() {
            return false;
        }
        self.topics.remove(uri);
        true
    }

    /// A front has gone. Gives the resources the child is to be told of.
    pub(super) fn forget(&mut self, front: FrontId) -> Vec<Box<str>> {
        let uris: Vec<Box<str>> = self
            .topics
            .iter()
            .filter(|(_, topic)| {
                topic.fronts.contains(&front) || topic.joining.iter().any(|(f, _)| *f == front)
            })
            .map(|(uri, _)| uri.clone())
            .collect();
        uris.into_iter().filter(|uri| self.leave(uri, front)).collect()
    }

    /// The fronts that want to hear of a resource: subscribers of it, or of one it lies in.
    pub(super) fn audience(&self, uri: &str) -> Vec<FrontId> {
        let mut audience: Vec<FrontId> = self
            .topics
            .iter()
            .filter(|(topic, _)| lies_in(uri, topic))
            .flat_map(|(_, topic)| topic.fronts.iter().copied())
            .collect();
        audience.sort_unstable();
        audience.dedup();
        audience
    }

    /// The child is gone. Its successor has to be told of these again.
    pub(super) fn lost(&mut self) -> Vec<Box<str>> {
        self.asked.clear();
        self.topics.retain(|_, topic| !topic.fronts.is_empty() || !topic.joining.is_empty());
        for topic in self.topics.values_mut() {
            topic.open = false;
        }
        self.topics.keys().cloned().collect()
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

    const A: FrontId = FrontId(1);
    const B: FrontId = FrontId(2);

    fn open(topics: &mut Topics, uri: &str, fronts: &[FrontId]) {
        for (n, front) in fronts.iter().enumerate() {
            let joined = topics.join(uri, *front, CallId(n as u64));
            assert_eq!(joined, if n == 0 { Joined::Ask } else { Joined::Waiting });
        }
        topics.asked(1, uri);
        assert_eq!(topics.decided(1, true).unwrap().calls.len(), fronts.len());
    }

    #[test]
    fn the_child_is_told_once_and_the_last_to_leave_tells_it_again() {
        let mut topics = Topics::default();
        open(&mut topics, "file:///a", &[A, B]);
        assert_eq!(topics.join("file:///a", A, CallId(9)), Joined::AtOnce);
        assert!(!topics.leave("file:///a", A));
        assert!(!topics.leave("file:///a", A), "leaving twice counts once");
        assert!(topics.leave("file:///a", B));
        assert_eq!(topics.join("file:///a", A, CallId(9)), Joined::Ask);
    }

    #[test]
    fn a_refusal_reaches_all_who_waited_and_leaves_nothing() {
        let mut topics = Topics::default();
        topics.join("x:/", A, CallId(1));
        topics.join("x:/", B, CallId(2));
        topics.asked(5, "x:/");
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
        assert_eq!(topics.forget(A), Vec::<Box<str>>::new());
        assert_eq!(topics.decided(5, true).unwrap().unwanted.as_deref(), Some("x:/"));
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
