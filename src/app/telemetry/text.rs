//! Lines for people: `time LEVEL span{field=value}: message field=value`, in colours on a terminal.
//!
//! Texts come quoted as Rust quotes them, what is displayed comes as it is. In messages, which repeat what others have said, whatever
//! could command a terminal is made harmless.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::clock::Clock;
use super::digits::{thousandths, whole};
use super::plain::is_plain;

#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) time: bool,
    pub(super) colours: bool,
}

/// The fields of a span, as a line repeats them.
#[derive(Debug, Default)]
pub(super) struct Notes(String);

/// Writes fields.
struct Fields<'a> {
    out: &'a mut String,
    colours: bool,
    first: bool,
}

/// Makes harmless what goes through it.
struct Tame<'a>(&'a mut String);

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const ITALIC: &str = "\x1b[3m";
const PLAIN: &str = "\x1b[0m";

// === impl Text ===

impl Text {
    /// Writes an event, line break included.
    pub(super) fn write<S>(
        self,
        out: &mut String,
        clock: &mut Clock,
        event: &Event<'_>,
        context: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.time {
            self.styled(out, DIM, |out| clock.tell(out));
            out.push(' ');
        }
        let (colour, level) = match *event.metadata().level() {
            Level::TRACE => ("\x1b[35m", "TRACE"),
            Level::DEBUG => ("\x1b[34m", "DEBUG"),
            Level::INFO => ("\x1b[32m", " INFO"),
            Level::WARN => ("\x1b[33m", " WARN"),
            Level::ERROR => ("\x1b[31m", "ERROR"),
        };
        self.styled(out, colour, |out| out.push_str(level));
        out.push(' ');
        if let Some(spans) = context.event_scope(event) {
            for span in spans.from_root() {
                self.styled(out, BOLD, |out| out.push_str(span.name()));
                if let Some(Notes(notes)) = span.extensions().get()
                    && !notes.is_empty()
                {
                    self.styled(out, BOLD, |out| out.push('{'));
                    out.push_str(notes);
                    self.styled(out, BOLD, |out| out.push('}'));
                }
                self.styled(out, DIM, |out| out.push(':'));
            }
            out.push(' ');
        }
        event.record(&mut Fields { out, colours: self.colours, first: true });
        out.push('\n');
    }

    /// Notes the fields of a span.
    pub(super) fn note(self, Notes(out): &mut Notes, record: impl FnOnce(&mut dyn Visit)) {
        record(&mut Fields { out, colours: self.colours, first: true });
    }

    fn styled(self, out: &mut String, style: &str, write: impl FnOnce(&mut String)) {
        styled(out, self.colours.then_some(style), write);
    }
}

fn styled(out: &mut String, style: Option<&str>, write: impl FnOnce(&mut String)) {
    out.push_str(style.unwrap_or_default());
    write(out);
    if style.is_some() {
        out.push_str(PLAIN);
    }
}

// === impl Notes ===

impl Notes {
    pub(super) fn append(&mut self, Self(more): Self) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&more);
    }
}

// === impl Fields ===

impl Fields<'_> {
    /// What stands before a value, and whether the value is the message.
    fn name(&mut self, field: &Field) -> bool {
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        let name = field.name();
        if name == "message" {
            return true;
        }
        let name = name.strip_prefix("r#").unwrap_or(name);
        if self.colours {
            styled(self.out, Some(ITALIC), |out| out.push_str(name));
            styled(self.out, Some(DIM), |out| out.push('='));
        } else {
            self.out.push_str(name);
            self.out.push('=');
        }
        false
    }
}

impl Visit for Fields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        whole(self.out, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.name(field);
        if !thousandths(self.out, value) {
            write!(self.out, "{value:?}").ok();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.name(field) {
            Tame(self.out).write_str(value).ok();
        } else if is_plain(value) && value.is_ascii() {
            // What `Debug` would come to.
            self.out.push('"');
            self.out.push_str(value);
            self.out.push('"');
        } else {
            write!(self.out, "{value:?}").ok();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.name(field) {
            write!(Tame(self.out), "{value:?}").ok();
        } else {
            write!(self.out, "{value:?}").ok();
        }
    }
}

// === impl Tame ===

impl Write for Tame<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Self(out) = self;
        if is_plain(text) && text.is_ascii() {
            out.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '\x07' | '\x08' | '\x0c' | '\x1b' | '\x7f' => {
                    write!(out, "\\x{:02x}", u32::from(c))?;
                }
                '\u{80}'..='\u{9f}' => write!(out, "\\u{{{:x}}}", u32::from(c))?,
                _ => out.push(c),
            }
        }
        Ok(())
    }
}
