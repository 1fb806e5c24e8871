//! Lines for machines: an object with `timestamp`, `level`, the fields of the event, its `target`, and `span` and `spans` where
//! it is in one.

use std::fmt::{self, Debug, Write};

use serde_json::Number;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::clock::Clock;
use super::digits::{thousandths, whole};
use super::plain::is_plain;

/// The fields of a span with their values as JSON, by name.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(&'static str, String)>);

/// The fields of an event, behind others.
struct Fields<'a>(&'a mut String);

/// Writes values to where they belong.
struct Values<P>(P);

/// Where values go, each with its name.
trait Place {
    /// Has the value of this field written.
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut String));
}

/// Writes what goes through it as the inside of a JSON string.
struct Inside<'a>(&'a mut String);

/// Writes an event, line break included.
pub(super) fn write<S>(
    out: &mut String,
    clock: &mut Clock,
    event: &Event<'_>,
    context: &Context<'_, S>,
) where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let about = event.metadata();
    out.push_str("{\"timestamp\":\"");
    clock.tell(out);
    out.push_str("\",\"level\":\"");
    out.push_str(about.level().as_str());
    out.push('"');
    event.record(&mut Values(Fields(out)));
    out.push_str(",\"target\":");
    string(out, about.target());
    let current = context.lookup_current();
    let parent = event.parent().and_then(|id| context.span(id));
    if let Some(span) = parent.as_ref().or(current.as_ref()) {
        out.push_str(",\"span\":");
        object(out, span);
        out.push_str(",\"spans\":[");
        for (n, span) in current.iter().flat_map(|leaf| leaf.scope().from_root()).enumerate() {
            out.push_str(if n == 0 { "" } else { "," });
            object(out, &span);
        }
        out.push(']');
    }
    out.push_str("}\n");
}

fn object<S: for<'a> LookupSpan<'a>>(out: &mut String, span: &SpanRef<'_, S>) {
    out.push('{');
    if let Some(Members(members)) = span.extensions().get() {
        for (name, value) in members {
            string(out, name);
            out.push(':');
            out.push_str(value);
            out.push(',');
        }
    }
    out.push_str("\"name\":");
    string(out, span.name());
    out.push('}');
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    inside(out, text);
    out.push('"');
}

/// Escapes as little as JSON allows.
fn inside(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\0'..='\x1f' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            _ => out.push(c),
        }
    }
}

fn float(out: &mut String, value: f64) {
    if thousandths(out, value) {
        return;
    }
    match Number::from_f64(value) {
        Some(number) => write!(out, "{number}").unwrap_or_default(),
        None => out.push_str("null"),
    }
}

// === impl Inside ===

impl Write for Inside<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        inside(self.0, text);
        Ok(())
    }
}

// === impl Fields ===

impl Place for Fields<'_> {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut String)) {
        // Names are written by programmers, who quote nothing in them.
        debug_assert!(is_plain(field.name()), "{field}");
        let Self(out) = self;
        out.push_str(",\"");
        out.push_str(field.name());
        out.push_str("\":");
        write(out);
    }
}

// === impl Members ===

impl Members {
    /// Notes the fields of a span.
    pub(super) fn note(&mut self, record: impl FnOnce(&mut dyn Visit)) {
        record(&mut Values(self));
    }

    fn set(&mut self, name: &'static str, value: String) {
        match self.0.binary_search_by_key(&name, |(name, _)| name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    /// What came later holds.
    pub(super) fn append(&mut self, Self(more): Self) {
        for (name, value) in more {
            self.set(name, value);
        }
    }
}

impl Place for &mut Members {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut String)) {
        let name = field.name();
        let mut value = String::new();
        write(&mut value);
        self.set(name.strip_prefix("r#").unwrap_or(name), value);
    }
}

// === impl Values ===

impl<P: Place> Visit for Values<P> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.put(field, |out| out.push_str(if value { "true" } else { "false" }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.put(field, |out| write!(out, "{value}").unwrap_or_default());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.put(field, |out| whole(out, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.put(field, |out| float(out, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.put(field, |out| string(out, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.put(field, |out| {
            out.push('"');
            write!(Inside(out), "{value:?}").ok();
            out.push('"');
        });
    }
}
