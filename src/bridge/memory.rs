//! What a child said last of itself and of its lists, so that it can be answered for while it rests.
//!
//! Only the plain question is remembered: a list, and which page of it. Whatever else a client puts into its request may matter
//! to the child, so that the child is asked. What is remembered is what the child said, before any policy is applied to it.
//!
//! Something is forgotten when the child says that a list has changed, when it answers the same question otherwise, when it
//! introduces itself as another, and when it is started from something else (which is for the owner to know).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::greeting::Abilities;
use crate::wire::frame::Frame;
use crate::wire::meta::{Members, key};
use crate::wire::method::Method;

/// A list of things a child has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// An answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The raw cursor it was asked with; the first page has none.
    pub cursor: Option<Arc<str>>,
    pub said: Said,
}

/// What was answered, raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Result(Arc<str>),
    /// That there is no such method.
    Unknown(Arc<str>),
}

/// A plain question for a list.
#[derive(Clone, Debug)]
pub(super) struct Question {
    list: List,
    cursor: Option<Box<str>>,
    /// How often the list had changed when it was asked.
    changes: u64,
}

/// The memory of one child.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    greeting: Option<Abilities>,
    /// In the order they were learned, which is that of the pages.
    lists: BTreeMap<List, Vec<Page>>,
    changes: BTreeMap<List, u64>,
    bytes: usize,
    revision: u64,
}

/// Members of `_meta` that a list does not depend on: no revision lets it vary with who asks.
const PLAIN: [&str; 4] =
    ["progressToken", key::PROTOCOL_VERSION, key::CLIENT_CAPABILITIES, key::CLIENT_INFO];

/// Pages remembered of one list.
const PAGES_MAX: usize = 16;

/// Bytes remembered of one child.
pub const BYTES_MAX: usize = 4 << 20;

// === impl List ===

impl List {
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    pub fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourceTemplatesList,
        }
    }

    fn asked_by(method: Method) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.method() == method)
    }

    /// The lists that a notification is about.
    fn changed_by(notice: Method) -> &'static [Self] {
        if notice == Method::ToolsListChanged {
            &[Self::Tools]
        } else if notice == Method::PromptsListChanged {
            &[Self::Prompts]
        } else if notice == Method::ResourcesListChanged {
            &[Self::Resources, Self::Templates]
        } else {
            &[]
        }
    }
}

// === impl Page ===

impl Page {
    fn bytes(&self) -> usize {
        self.cursor.as_ref().map_or(0, |cursor| cursor.len()) + self.said.text().len()
    }
}

// === impl Said ===

impl Said {
    pub fn text(&self) -> &Arc<str> {
        match self {
            Self::Result(text) | Self::Unknown(text) => text,
        }
    }
}

// === impl Question ===

impl Question {
    /// The question in a request, if it is for a list and asks for nothing beyond it: nothing but a cursor, a progress token
    /// and what its client says of itself.
    pub(super) fn of(request: &Frame, memory: &Memory) -> Option<Self> {
        let list = List::asked_by(request.method())?;
        let changes = memory.changes.get(&list).copied().unwrap_or_default();
        let cursor = plain_cursor(request.payload().unwrap_or("{}"))?;
        Some(Self { list, cursor: cursor.map(Into::into), changes })
    }
}

/// The raw cursor of plain parameters.
#[expect(
    clippy::option_option,
    reason = "parameters that are not plain, and plain ones without a cursor"
)]
fn plain_cursor(params: &str) -> Option<Option<&str>> {
    if params == "null" {
        return Some(None);
    }
    let members = params.starts_with('{').then(|| Members::of(params))?;
    let mut cursor = None;
    for (n, (name, value)) in members.0.iter().enumerate() {
        let is_repeated = members.0[..n].iter().any(|(before, _)| before == name);
        let value = value.get();
        let is_plain = match name.as_ref() {
            "cursor" => {
                cursor = Some(value);
                value.starts_with('"')
            }
            "_meta" => {
                let meta = value.starts_with('{').then(|| Members::of(value));
                meta.is_some_and(|meta| {
                    meta.0.iter().all(|(name, _)| PLAIN.contains(&name.as_ref()))
                })
            }
            _ => false,
        };
        if is_repeated || !is_plain {
            return None;
        }
    }
    Some(cursor)
}

// === impl Memory ===

impl Memory {
    /// Rises whenever something else is remembered than before.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What the child said it can do.
    pub fn greeting(&self) -> Option<&Abilities> {
        self.greeting.as_ref()
    }

    pub fn pages(&self, list: List) -> &[Page] {
        self.lists.get(&list).map_or(&[], Vec::as_slice)
    }

    /// The child has introduced itself. The lists of another are none of its own.
    pub fn greeted(&mut self, abilities: &Abilities) {
        let before = self.greeting.as_ref();
        if before.is_some_and(|before| before.result == abilities.result) {
            return;
        }
        if before.is_some_and(|before| !is_the_same(before, abilities)) {
            self.forget();
        }
        self.revision += 1;
        self.bytes -= self.greeting.take().map_or(0, |greeting| greeting.result.len());
        if self.bytes + abilities.result.len() <= BYTES_MAX {
            self.bytes += abilities.result.len();
            self.greeting = Some(abilities.clone());
        }
    }

    /// Puts back a page that was kept elsewhere. Pages come in the order they were given out.
    pub fn restore(&mut self, list: List, page: Page) {
        self.put(list, page);
    }

    /// What the child said to this question, if it has been heard and is still so.
    pub(super) fn find(&self, question: &Question) -> Option<&Said> {
        let place = self.place(question.list, question.cursor.as_deref())?;
        Some(&self.lists[&question.list][place].said)
    }

    /// The child has answered. Most often it says what it said before, and then nothing is copied.
    pub(super) fn learn(
        &mut self,
        question: Question,
        said: impl Fn(Arc<str>) -> Said,
        text: &str,
    ) {
        if self.find(&question).is_some_and(|before| **before.text() == *text) {
            return;
        }
        let Question { list, cursor, changes } = question;
        // An answer from before a change says nothing of what is now.
        if self.changes.get(&list).copied().unwrap_or_default() == changes {
            self.put(list, Page { cursor: cursor.map(Into::into), said: said(text.into()) });
        }
    }

    /// The child gave an answer that is not worth keeping, and the one before it is no longer the last.
    pub(super) fn unlearn(&mut self, question: &Question) {
        if let Some(place) = self.place(question.list, question.cursor.as_deref()) {
            self.cut(question.list, place);
        }
    }

    /// The child says that something has changed.
    pub(super) fn changed(&mut self, notice: Method) {
        for list in List::changed_by(notice) {
            *self.changes.entry(*list).or_default() += 1;
            self.cut(*list, 0);
        }
    }

    /// Nothing of this is true any more.
    pub fn forget(&mut self) {
        for list in List::ALL {
            *self.changes.entry(list).or_default() += 1;
            self.cut(list, 0);
        }
        if let Some(greeting) = self.greeting.take() {
            self.bytes -= greeting.result.len();
            self.revision += 1;
        }
    }

    fn place(&self, list: List, cursor: Option<&str>) -> Option<usize> {
        self.pages(list).iter().position(|page| page.cursor.as_deref() == cursor)
    }

    fn put(&mut self, list: List, page: Page) {
        if let Some(place) = self.place(list, page.cursor.as_deref()) {
            if self.lists[&list][place] == page {
                return;
            }
            self.cut(list, place);
        }
        // What follows another beginning is unknown.
        if page.cursor.is_none() {
            self.cut(list, 0);
        }
        let pages = self.lists.entry(list).or_default();
        if pages.len() < PAGES_MAX && self.bytes + page.bytes() <= BYTES_MAX {
            self.bytes += page.bytes();
            self.revision += 1;
            pages.push(page);
        }
    }

    /// Forgets a page and what was learned after it: its cursors lead elsewhere now.
    fn cut(&mut self, list: List, from: usize) {
        let Some(pages) = self.lists.get_mut(&list).filter(|pages| from < pages.len()) else {
            return;
        };
        self.bytes -= pages.drain(from..).map(|page| page.bytes()).sum::<usize>();
        self.revision += 1;
    }
}

/// Whether two greetings are of one program, so far as it tells. Instructions may carry the date.
fn is_the_same(a: &Abilities, b: &Abilities) -> bool {
    let card = |one: &Abilities| {
        (one.server_name.clone(), one.server_version.clone(), one.version.clone(), one.lists)
    };
    card(a) == card(b)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn question(memory: &Memory, method: &str, params: &str) -> Option<Question> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Question::of(&Frame::skim(Bytes::from(text)).unwrap(), memory)
    }

    fn tools(memory: &Memory, params: &str) -> Question {
        question(memory, "tools/list", params).unwrap()
    }

    fn learn(memory: &mut Memory, params: &str, text: &str) {
        let asked = tools(memory, params);
        memory.learn(asked, Said::Result, text);
    }

    fn finds(memory: &Memory, params: &str) -> Option<String> {
        memory.find(&tools(memory, params)).map(|said| said.text().to_string())
    }

    fn abilities(name: &str, more: &str) -> Abilities {
        let result = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": name, "version": "1"}, "instructions": more});
        Abilities::recalled(&result.to_string()).unwrap()
    }

    #[test]
    fn only_plain_questions_are_remembered() {
        let memory = Memory::default();
        for (params, plain) in [
            ("{}", true),
            ("null", true),
            (r#"{"cursor":"a"}"#, true),
            (r#"{"cursor":"a","_meta":{"progressToken":3}}"#, true),
            (r#"{"_meta":{}}"#, true),
            (r#"{"cursor":null}"#, false),
            (r#"{"cursor":"a","cursor":"b"}"#, false),
            (r#"{"_meta":{"traceparent":"x"}}"#, false),
            (r#"{"_meta":3}"#, false),
            (r#"{"filter":"x"}"#, false),
            ("[]", false),
        ] {
            assert_eq!(question(&memory, "tools/list", params).is_some(), plain, "{params}");
        }
        assert!(question(&memory, "tools/call", "{}").is_none());
        assert!(question(&memory, "resources/templates/list", "{}").is_some());
    }

    #[test]
    fn pages_are_found_by_their_cursors_and_fall_with_those_before_them() {
        let mut memory = Memory::default();
        let (first, second, third) = ("{}", r#"{"cursor":"2"}"#, r#"{"cursor":"3"}"#);
        for (params, text) in [(first, "a"), (second, "b"), (third, "c")] {
            learn(&mut memory, params, text);
        }
        let learned = memory.revision();
        for (params, text) in [(third, "c"), (first, "a")] {
            learn(&mut memory, params, text);
        }
        assert_eq!(memory.revision(), learned, "nothing new was said");
        learn(&mut memory, second, "B");
        assert!(memory.revision() > learned);
        let found = [first, second, third].map(|params| finds(&memory, params));
        assert_eq!(found, [Some("a".to_owned()), Some("B".to_owned()), None]);
        learn(&mut memory, first, "A");
        assert_eq!((finds(&memory, first).as_deref(), finds(&memory, second)), (Some("A"), None));
    }

    #[test]
    fn a_change_drops_a_list_and_answers_from_before_it() {
        let mut memory = Memory::default();
        learn(&mut memory, "{}", "old");
        let asked_before = tools(&memory, "{}");
        memory.changed(Method::PromptsListChanged);
        assert!(finds(&memory, "{}").is_some());
        memory.changed(Method::ToolsListChanged);
        assert_eq!(finds(&memory, "{}"), None);
        memory.learn(asked_before, Said::Result, "old");
        assert_eq!(finds(&memory, "{}"), None);
        learn(&mut memory, "{}", "new");
        assert_eq!(finds(&memory, "{}").as_deref(), Some("new"));
        let asked = tools(&memory, "{}");
        memory.unlearn(&asked);
        assert_eq!((finds(&memory, "{}"), memory.bytes), (None, 0));
    }

    #[test]
    fn another_that_introduces_itself_has_other_lists() {
        let mut memory = Memory::default();
        memory.greeted(&abilities("a", "on Monday"));
        learn(&mut memory, "{}", "tools of a");
        memory.greeted(&abilities("a", "on Tuesday"));
        assert!(finds(&memory, "{}").is_some());
        assert!(memory.greeting().unwrap().result.contains("Tuesday"));
        memory.greeted(&abilities("b", ""));
        assert_eq!(finds(&memory, "{}"), None);
        assert_eq!(&*memory.greeting().unwrap().server_name, "b");
        memory.forget();
        assert!(memory.greeting().is_none() && memory.bytes == 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        for n in 0..2 * PAGES_MAX {
            learn(&mut memory, &format!(r#"{{"cursor":"{n}"}}"#), "x");
        }
        assert_eq!(memory.pages(List::Tools).len(), PAGES_MAX);
        learn(&mut memory, "{}", &"x".repeat(BYTES_MAX));
        assert_eq!(memory.bytes, BYTES_MAX);
        learn(&mut memory, r#"{"cursor":"2"}"#, "no room");
        memory.greeted(&abilities("a", ""));
        assert!(memory.greeting().is_none());
        learn(&mut memory, "{}", &"x".repeat(BYTES_MAX + 1));
        assert_eq!((finds(&memory, "{}"), memory.bytes), (None, 0), "it is no longer the last");
    }
}
