//! From events to lines.

use std::cell::RefCell;
use std::sync::Arc;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::clock::Clock;
use super::gatherer::Gatherer;
use super::json::{self, Members};
use super::text::{Notes, Text};

/// Makes a line of each event.
#[derive(Debug)]
pub(super) struct Lines {
    shape: Shape,
    gatherer: Arc<Gatherer>,
}

/// What lines look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text(Text),
    Json,
}

/// Where a thread makes its lines.
#[derive(Debug)]
struct Desk {
    line: String,
    clock: Clock,
}

thread_local! {
    /// The memory is used again for each line.
    static DESK: RefCell<Desk> = const { RefCell::new(Desk::new()) };
}

/// So much of a desk is kept when a line was longer.
const DESK_BYTES_KEPT: usize = 64 * 1024;

// === impl Lines ===

impl Lines {
    pub(super) fn new(shape: Shape, gatherer: Arc<Gatherer>) -> Self {
        Self { shape, gatherer }
    }

    fn say<S>(&self, desk: &mut Desk, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.shape.write(&mut desk.line, &mut desk.clock, event, context);
        self.gatherer.take(&desk.line, *event.metadata().level() <= Level::WARN);
        desk.line.clear();
        desk.line.shrink_to(DESK_BYTES_KEPT);
    }
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        // Before the span is locked: a value that logs while it is written looks at its span.
        match self.shape {
            Shape::Text(text) => {
                let mut notes = Notes::default();
                text.note(&mut notes, |visitor| attributes.record(visitor));
                keep(id, &context, notes, |_, _| {});
            }
            Shape::Json => {
                let mut members = Members::default();
                members.note(|visitor| attributes.record(visitor));
                keep(id, &context, members, |_, _| {});
            }
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        match self.shape {
            Shape::Text(text) => {
                let mut notes = Notes::default();
                text.note(&mut notes, |visitor| values.record(visitor));
                keep(id, &context, notes, Notes::append);
            }
            Shape::Json => {
                let mut members = Members::default();
                members.note(|visitor| values.record(visitor));
                keep(id, &context, members, Members::append);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        DESK.with(|desk| match desk.try_borrow_mut() {
            Ok(mut desk) => self.say(&mut desk, event, &context),
            // A value of another event logs while it is written.
            Err(_) => self.say(&mut Desk::new(), event, &context),
        });
    }
}

/// Puts what a span says of itself beside it, or adds it to what is there.
fn keep<S, T>(id: &Id, context: &Context<'_, S>, fresh: T, append: impl FnOnce(&mut T, T))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    T: Send + Sync + 'static,
{
    let Some(span) = context.span(id) else { return };
    let mut beside = span.extensions_mut();
    match beside.get_mut::<T>() {
        Some(held) => append(held, fresh),
        None => beside.insert(fresh),
    }
}

// === impl Shape ===

impl Shape {
    /// Writes an event, line break included.
    fn write<S>(
        self,
        out: &mut String,
        clock: &mut Clock,
        event: &Event<'_>,
        context: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match self {
            Self::Text(text) => text.write(out, clock, event, context),
            Self::Json => json::write(out, clock, event, context),
        }
    }
}

// === impl Desk ===

impl Desk {
    const fn new() -> Self {
        Self { line: String::new(), clock: Clock::new() }
    }
}
