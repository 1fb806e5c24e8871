//! A value as it was written, every part of it with its mark: first a range of bytes, later a [`Place`].
//!
//! The formats all read into this one tree; figment's values are made from it once it is known to be sound.

use std::collections::BTreeMap;
use std::fmt;

use figment::value::{Dict, Empty, Tag, Value};

use super::key::KeyPath;
use super::place::Place;

#[derive(Clone)]
pub(super) struct Node<M = Place> {
    pub(super) kind: Kind<M>,
    pub(super) mark: M,
}

#[derive(Clone)]
pub(super) enum Kind<M> {
    Null,
    Truth(bool),
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Node<M>>),
    Table(Vec<Entry<M>>),
}

#[derive(Clone)]
pub(super) struct Entry<M = Place> {
    pub(super) key: String,
    pub(super) key_mark: M,
    pub(super) value: Node<M>,
}

/// Where a key and its value stand in one layer.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub(super) key: Place,
    pub(super) value: Place,
}

// === impl Node ===

impl<M> Node<M> {
    pub(super) fn new(kind: Kind<M>, mark: M) -> Self {
        Self { kind, mark }
    }

    /// What it is, for messages; never what it says, which may be a secret.
    pub(super) fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Truth(_) => "true or false",
            Kind::Whole(_) | Kind::Fraction(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    pub(super) fn entries(&self) -> &[Entry<M>] {
        match &self.kind {
            Kind::Table(entries) => entries,
            Kind::Null
            | Kind::Truth(_)
            | Kind::Whole(_)
            | Kind::Fraction(_)
            | Kind::Text(_)
            | Kind::List(_) => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry<M>> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn map_marks<N>(self, change: &impl Fn(M) -> N) -> Node<N> {
        let kind = match self.kind {
            Kind::Null => Kind::Null,
            Kind::Truth(truth) => Kind::Truth(truth),
            Kind::Whole(number) => Kind::Whole(number),
            Kind::Fraction(number) => Kind::Fraction(number),
            Kind::Text(text) => Kind::Text(text),
            Kind::List(items) => {
                Kind::List(items.into_iter().map(|item| item.map_marks(change)).collect())
            }
            Kind::Table(entries) => Kind::Table(
                entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: entry.key,
                        key_mark: change(entry.key_mark),
                        value: entry.value.map_marks(change),
                    })
                    .collect(),
            ),
        };
        Node { kind, mark: change(self.mark) }
    }
}

/// What it is, not what it says: that may be a secret.
impl<M: fmt::Debug> fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.noun(), self.mark)
    }
}

impl Node {
    pub(super) fn table(place: Place) -> Self {
        Self::new(Kind::Table(Vec::new()), place)
    }

    /// Puts a value where `keys` lead, making tables on the way.
    pub(super) fn put(&mut self, keys: &[String], value: Self) {
        let Some((first, rest)) = keys.split_first() else {
            *self = value;
            return;
        };
        let place = value.mark.clone();
        if !matches!(self.kind, Kind::Table(_)) {
            self.kind = Kind::Table(Vec::new());
        }
        let Kind::Table(entries) = &mut self.kind else { return };
        let at = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
            entries.push(Entry {
                key: first.clone(),
                key_mark: place.clone(),
                value: Self::table(place),
            });
            entries.len() - 1
        });
        entries[at].value.put(rest, value);
    }

    pub(super) fn marks(&self) -> BTreeMap<KeyPath, Marks> {
        let mut marks = BTreeMap::new();
        let here = Marks { key: self.mark.clone(), value: self.mark.clone() };
        self.collect_marks(&KeyPath::root(), here, &mut marks);
        marks
    }

    fn collect_marks(&self, path: &KeyPath, here: Marks, marks: &mut BTreeMap<KeyPath, Marks>) {
        marks.insert(path.clone(), here);
        match &self.kind {
            Kind::Table(entries) => {
                for Entry { key, key_mark, value } in entries {
                    let marks_of = Marks { key: key_mark.clone(), value: value.mark.clone() };
                    value.collect_marks(&path.key(key), marks_of, marks);
                }
            }
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let marks_of = Marks { key: item.mark.clone(), value: item.mark.clone() };
                    item.collect_marks(&path.index(index), marks_of, marks);
                }
            }
            Kind::Null | Kind::Truth(_) | Kind::Whole(_) | Kind::Fraction(_) | Kind::Text(_) => {}
        }
    }

    pub(super) fn dict(&self) -> Dict {
        self.entries().iter().map(|entry| (entry.key.clone(), entry.value.value())).collect()
    }

    fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Empty(Tag::Default, Empty::None),
            Kind::Truth(truth) => Value::from(*truth),
            Kind::Whole(number) => {
                i64::try_from(*number).map_or_else(|_| Value::from(*number), Value::from)
            }
            Kind::Fraction(number) => Value::from(*number),
            Kind::Text(text) => Value::from(text.clone()),
            Kind::List(items) => {
                Value::Array(Tag::Default, items.iter().map(Self::value).collect())
            }
            Kind::Table(_) => Value::Dict(Tag::Default, self.dict()),
        }
    }
}
