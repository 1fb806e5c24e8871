//! TOML into the marked tree, by the spans of `toml_edit`.

use std::ops::Range;

use toml_edit::{ImDocument, Item, Key, TableLike, Value};

use super::super::node::{Entry, Kind, Node};
use super::Malformed;

type Marked = Node<Range<usize>>;

pub(super) fn parse(text: &str) -> Result<Marked, Malformed> {
    let document = ImDocument::parse(text).map_err(|error| Malformed {
        // The message comes in lines, the later ones saying what was expected.
        message: error.message().trim().lines().collect::<Vec<_>>().join("; "),
        at: error.span().unwrap_or(0..0),
    })?;
    Ok(table(document.as_table(), 0..0))
}

fn table(table: &dyn TableLike, mark: Range<usize>) -> Marked {
    let entries = table.iter().map(|(name, item)| {
        let key_mark = table.key(name).and_then(Key::span);
        let value = self::item(item, key_mark.clone().unwrap_or_else(|| mark.clone()));
        let key_mark = key_mark.unwrap_or_else(|| value.mark.clone());
        Entry { key: name.to_owned(), key_mark, value }
    });
    Node::new(Kind::Table(entries.collect()), mark)
}

fn item(item: &Item, key_mark: Range<usize>) -> Marked {
    match item {
        Item::None => Node::new(Kind::Null, key_mark),
        Item::Value(value) => self::value(value, key_mark),
        // The header is where a table is; its span would cover everything in it.
        Item::Table(inner) => table(inner, key_mark),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|inner| {
                let mark = inner.span().unwrap_or_else(|| key_mark.clone());
                table(inner, mark)
            });
            Node::new(Kind::List(items.collect()), key_mark)
        }
    }
}

fn value(value: &Value, key_mark: Range<usize>) -> Marked {
    let mark = value.span().unwrap_or(key_mark);
    let kind = match value {
        Value::String(text) => Kind::Text(text.value().clone()),
        Value::Integer(number) => Kind::Whole(i128::from(*number.value())),
        Value::Float(number) => Kind::Fraction(*number.value()),
        Value::Boolean(truth) => Kind::Truth(*truth.value()),
        Value::Datetime(moment) => Kind::Text(moment.value().to_string()),
        Value::Array(items) => {
            Kind::List(items.iter().map(|item| self::value(item, mark.clone())).collect())
        }
        Value::InlineTable(inner) => return table(inner, mark),
    };
    Node::new(kind, mark)
}
