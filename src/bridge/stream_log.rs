//! The events of a session's streams, kept for clients that lose a connection and come back.
//!
//! Each stream has a ring of its own; ids rise by one in it. A stream is kept while its call runs or its reader is there,
//! and for a while after its reader vanished. Too many events, too many bytes or too much age, and the oldest go; whoever
//! asks for events that are gone is told so rather than given a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::id::{EventId, StreamId};
use crate::wire::ink::Ink;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub events_max: usize,
    pub bytes_max: usize,
    pub age_max: Duration,
    pub streams_max: usize,
}

/// The streams of one session.
#[derive(Debug, Default)]
pub struct StreamLog {
    /// In the order of their ids. A list, because most sessions have one stream, which waits for hours.
    streams: Vec<(StreamId, Stream)>,
    /// Of all its events.
    bytes: usize,
}

#[derive(Debug)]
struct Stream {
    events: VecDeque<Bytes>,
    /// The number of the first event kept; the event before it, the priming one, has number 0.
    first: u64,
    bytes: usize,
    /// The last event is the response; nothing follows it.
    complete: bool,
    /// Since when nobody reads it.
    abandoned: Option<Instant>,
}

/// What a client that comes back is given.
#[derive(Debug, PartialEq, Eq)]
pub struct Replay {
    pub events: Vec<(EventId, Bytes)>,
    pub complete: bool,
}

// === impl Bounds ===

impl Default for Bounds {
    fn default() -> Self {
        Self {
            events_max: 1000,
            bytes_max: 8 << 20,
            age_max: Duration::from_secs(300),
            streams_max: 64,
        }
    }
}

// === impl StreamLog ===

impl StreamLog {
    /// Begins a stream. Beyond the bound of streams the one abandoned longest is forgotten.
    pub fn open(&mut self, id: StreamId, bounds: &Bounds) {
        if self.streams.len() >= bounds.streams_max {
            let longest = self
                .streams
                .iter()
                .filter_map(|(id, stream)| stream.abandoned.map(|since| (since, *id)))
                .min();
            if let Some((_, id)) = longest {
                self.forget(id);
            }
        }
        if let Err(place) = self.place(id) {
            if self.streams.is_empty() {
                self.streams.reserve_exact(1);
            }
            self.streams.insert(place, (id, Stream::new()));
        }
    }

    /// The id the next event of a stream will have; `None` if there is no such stream.
    pub fn next(&self, id: StreamId) -> Option<EventId> {
        Some(EventId { stream: id, seq: self.streams[self.place(id).ok()?].1.next() })
    }

    /// Adds an event and gives its id; `None` if there is no such stream.
    pub fn push(&mut self, id: StreamId, text: &Bytes, bounds: &Bounds) -> Option<EventId> {
        let place = self.place(id).ok()?;
        let (_, stream) = &mut self.streams[place];
        let event = EventId { stream: id, seq: stream.next() };
        self.bytes += text.len();
        stream.bytes += text.len();
        stream.events.push_back(alone(text));
        while stream.events.len() > bounds.events_max
            || (stream.bytes > bounds.bytes_max && stream.events.len() > 1)
        {
            let Some(oldest) = stream.events.pop_front() else { break };
            self.bytes -= oldest.len();
            stream.bytes -= oldest.len();
            stream.first += 1;
        }
        Some(event)
    }

    /// Marks that the response has been added.
    pub fn complete(&mut self, id: StreamId) {
        if let Some(stream) = self.stream(id) {
            stream.complete = true;
        }
    }

    /// Whether the response is the last event.
    pub fn is_complete(&self, id: StreamId) -> bool {
        self.place(id).is_ok_and(|place| self.streams[place].1.complete)
    }

    /// Marks that nobody reads the stream any more. False if there is no such stream.
    pub fn abandon(&mut self, id: StreamId, now: Instant) -> bool {
        let Some(stream) = self.stream(id) else { return false };
        stream.abandoned.get_or_insert(now);
        true
    }

    /// What came after an event, for a reader that takes the stream up again.
    pub fn replay(&mut self, after: EventId) -> Option<Replay> {
        let stream = self.stream(after.stream)?;
        let end = stream.next();
        // The number is the client's word and may be any.
        let next = after.seq.checked_add(1)?;
        if next < stream.first || after.seq >= end {
            return None;
        }
        let skip = usize::try_from(next - stream.first).ok()?;
        stream.abandoned = None;
        let first = stream.first;
        let events = stream
            .events
            .iter()
            .enumerate()
            .skip(skip)
            .map(|(n, text)| {
                (EventId { stream: after.stream, seq: first + n as u64 }, text.clone())
            })
            .collect();
        Some(Replay { events, complete: stream.complete })
    }

    pub fn forget(&mut self, id: StreamId) {
        if let Ok(place) = self.place(id) {
            self.bytes -= self.streams.remove(place).1.bytes;
        }
    }

    /// Lets go of the events of a stream, which itself goes on.
    pub fn empty(&mut self, id: StreamId) {
        if let Ok(place) = self.place(id) {
            let (_, stream) = &mut self.streams[place];
            self.bytes -= std::mem::take(&mut stream.bytes);
            stream.first += stream.events.len() as u64;
            stream.events = VecDeque::new();
        }
    }

    /// The streams with events to let go of, and whether they are read.
    pub fn laden(&self) -> impl Iterator<Item = (bool, StreamId)> + '_ {
        let laden = self.streams.iter().filter(|(_, stream)| stream.bytes > 0);
        laden.map(|(id, stream)| (stream.abandoned.is_none(), *id))
    }

    /// How much is kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what has been abandoned too long. True if more will be.
    pub fn sweep(&mut self, now: Instant, bounds: &Bounds) -> bool {
        let bytes = &mut self.bytes;
        self.streams.retain(|(_, stream)| {
            let stays =
                stream.abandoned.is_none_or(|since| now.duration_since(since) < bounds.age_max);
            *bytes -= if stays { 0 } else { stream.bytes };
            stays
        });
        self.streams.iter().any(|(_, stream)| stream.abandoned.is_some())
    }

    pub fn len(&self) -> usize {
        self.streams.len()
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Where a stream is, or where it would be.
    fn place(&self, id: StreamId) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&id, |(id, _)| *id)
    }

    fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        let place = self.place(id).ok()?;
        Some(&mut self.streams[place].1)
    }
}

// === impl Stream ===

impl Stream {
    fn new() -> Self {
        Self { events: VecDeque::new(), first: 1, bytes: 0, complete: false, abandoned: None }
    }

    /// The number of the event that comes next.
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// The text in memory of its own where it may share some with others, which would be kept as well.
fn alone(text: &Bytes) -> Bytes {
    if text.len() > Ink::LONGEST { text.clone() } else { Bytes::copy_from_slice(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(9);

    fn event(seq: u64) -> EventId {
        EventId { stream: STREAM, seq }
    }

    fn seqs(log: &mut StreamLog, after: u64) -> Option<Vec<u64>> {
        Some(log.replay(event(after))?.events.into_iter().map(|(id, _)| id.seq).collect())
    }

    fn filled(events: usize, bounds: &Bounds) -> StreamLog {
        let mut log = StreamLog::default();
        log.open(STREAM, bounds);
        for n in 1..=events {
            let id = log.push(STREAM, &Bytes::from(vec![b'x'; 10]), bounds).unwrap();
            assert_eq!(id.seq, n as u64);
        }
        log
    }

    #[test]
    fn a_returning_reader_gets_what_came_after_its_last_event() {
        let mut log = filled(3, &Bounds::default());
        assert_eq!(seqs(&mut log, 0), Some(vec![1, 2, 3]));
        assert_eq!(seqs(&mut log, 2), Some(vec![3]));
        assert_eq!(seqs(&mut log, 3), Some(vec![]));
        assert_eq!(seqs(&mut log, 4), None, "an id this stream never gave");
        assert_eq!(seqs(&mut log, u64::MAX), None);
        assert_eq!(log.replay(EventId { stream: StreamId(1), seq: 0 }), None);
    }

    #[test]
    fn the_oldest_go_first_and_a_gap_is_never_served() {
        let by_count = Bounds { events_max: 2, ..Bounds::default() };
        let mut log = filled(5, &by_count);
        assert_eq!(seqs(&mut log, 3), Some(vec![4, 5]));
        assert_eq!(seqs(&mut log, 2), None);
        let by_bytes = Bounds { bytes_max: 25, ..Bounds::default() };
        assert_eq!(seqs(&mut filled(5, &by_bytes), 3), Some(vec![4, 5]));
    }

    #[test]
    fn what_is_short_keeps_nothing_beside_it() {
        let mut log = filled(0, &Bounds::default());
        let whole = Bytes::from(vec![b'x'; 3 * Ink::LONGEST]);
        let (little, much) = (whole.slice(..Ink::LONGEST), whole.slice(Ink::LONGEST - 1..));
        for text in [&little, &much] {
            log.push(STREAM, text, &Bounds::default()).unwrap();
        }
        let kept = log.replay(event(0)).unwrap().events;
        assert_eq!((&kept[0].1, &kept[1].1), (&little, &much));
        assert_ne!(kept[0].1.as_ptr(), little.as_ptr());
        assert_eq!(kept[1].1.as_ptr(), much.as_ptr());
    }

    #[test]
    fn abandoned_streams_age_and_make_room() {
        let bounds = Bounds { streams_max: 2, ..Bounds::default() };
        let now = Instant::now();
        let mut log = filled(1, &bounds);
        log.open(StreamId(10), &bounds);
        log.abandon(STREAM, now);
        log.open(StreamId(11), &bounds);
        assert_eq!(log.replay(event(0)), None, "it made room");
        log.abandon(StreamId(10), now);
        assert!(log.sweep(now + Duration::from_secs(299), &bounds));
        assert!(
            !log.sweep(now + Duration::from_secs(300), &bounds),
            "only one that is read is left"
        );
        assert_eq!(log.len(), 1);
        assert_eq!(log.bytes(), 0, "what was forgotten is counted no more");
    }

    #[test]
    fn an_emptied_stream_goes_on_and_serves_no_gap() {
        let bounds = Bounds::default();
        let mut log = filled(3, &bounds);
        assert_eq!(log.laden().collect::<Vec<_>>(), [(true, STREAM)]);
        log.empty(STREAM);
        assert_eq!((log.bytes(), log.laden().count()), (0, 0));
        assert_eq!(log.push(STREAM, &Bytes::from_static(b"x"), &bounds), Some(event(4)));
        assert_eq!((seqs(&mut log, 2), seqs(&mut log, 3)), (None, Some(vec![4])));
    }
}
