//! The identifiers of the house. None of them crosses a function boundary as a bare string or number.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::little::Little;

/// The name of a configured server: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. It is a path segment, a
/// log field and a metric label, so nothing in it ever needs escaping.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(Arc<str>);

/// A JSON value that a peer chose as an id or a token, kept as text so that it goes back exactly as it came. Short ones
/// need no memory of their own.
#[derive(Clone)]
pub struct RawId(Little);

/// A progress token is kept like an id.
pub type RawToken = RawId;

/// The bridge's number for a request to a child. Never used twice in a process: a call has a number of its own for each time it
/// is sent; what the bridge asks for itself is numbered apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UpstreamId(pub u64);

/// Whose number an [`UpstreamId`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbered {
    Call {
        call: CallId,
        flight: Flight,
    },
    /// The bridge's own request with this serial number.
    Own(u64),
}

/// Which sending of a call it is: repeated after its child has died, or sent again with the answers to what the child asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Flight(u8);

/// A front: what stands for one session on a switchboard. It is the same wherever and whenever that session is met again, so
/// half of it is a random number of the process that began the session, and half counts the sessions it has begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FrontId(pub u128);

/// The secret name of a session that lives as long as its stream: 128 random bits, shown as hexadecimal digits. Others have
/// sealed names, see [`passport`](crate::bridge::passport).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// A stream of events to one client; unique in its session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// The bridge's number for one admitted call, chosen before the call reaches its switchboard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// The place of an event: the stream and how many events came before it there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    pub stream: StreamId,
    pub seq: u64,
}

/// Why a string is not a server name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadServerName {
    #[error("a server name cannot be empty")]
    Empty,
    #[error("a server name has at most 64 characters, this one has {0}")]
    TooLong(usize),
    #[error("a server name cannot begin with a dot")]
    LeadingDot,
    #[error("a server name holds letters, digits, '.', '_' and '-' only, not {0:?}")]
    Character(char),
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte / 16], digits[byte % 16]];
        byte += 1;
    }
    pairs
};

// === impl ServerName ===

impl ServerName {
    pub const LENGTH_MAX: usize = 64;

    pub fn new(text: &str) -> Result<Self, BadServerName> {
        if text.is_empty() {
            return Err(BadServerName::Empty);
        }
        if text.starts_with('.') {
            return Err(BadServerName::LeadingDot);
        }
        if let Some(odd) =
            text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(BadServerName::Character(odd));
        }
        if text.len() > Self::LENGTH_MAX {
            return Err(BadServerName::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerName {
    type Error = BadServerName;

    fn try_from(text: String) -> Result<Self, BadServerName> {
        Self::new(&text)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ServerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({})", self.0)
    }
}

// === impl RawId ===

impl RawId {
    /// Keeps a JSON value: a number or a string with its quotes.
    pub fn new(raw: &str) -> Self {
        Self(Little::new(raw))
    }

    /// The same for one that is known to be UTF-8.
    pub(super) fn of(raw: &[u8]) -> Self {
        Self(Little::of(raw))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PartialEq for RawId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RawId {}

impl std::hash::Hash for RawId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawId({})", self.as_str())
    }
}

// === impl SessionId ===

impl SessionId {
    /// Reads an id as a client hands it back.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Whoever holds a session id can use the session, so logs never show one.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

// === impl FrontId ===

impl FrontId {
    pub fn new(epoch: u64, serial: u64) -> Self {
        Self(u128::from(epoch) << 64 | u128::from(serial))
    }

    /// The process that began the session.
    pub fn epoch(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// How many sessions it had begun before.
    pub fn serial(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).expect("the upper half is cut off")
    }
}

// === impl StreamId ===

impl StreamId {
    /// The stream of a call, or the standing stream whose reader has this number, on a switchboard that counts from `base`.
    pub fn new(base: u64, call: CallId, standing: bool) -> Self {
        Self((base & !1).wrapping_add(call.0 << 1 | u64::from(standing)))
    }

    /// Whether it was opened to stand, and not by a call.
    pub fn stands(self) -> bool {
        self.0 & 1 == 1
    }

    /// The number it was made from, if that was on the switchboard that counts from `base`.
    pub fn call(self, base: u64) -> CallId {
        CallId(self.0.wrapping_sub(base & !1) >> 1)
    }
}

// === impl UpstreamId ===

impl UpstreamId {
    /// The handshake.
    pub const GREETING: Self = Self(1);

    pub fn call(call: CallId, flight: Flight) -> Self {
        Self((call.0 << 6) | (u64::from(flight.0) << 2))
    }

    pub fn own(serial: u64) -> Self {
        Self((serial << 2) | 2)
    }

    /// It in decimal digits, written into `room`.
    pub fn digits(self, room: &mut [u8; 20]) -> &[u8] {
        let mut rest = self.0;
        let mut start = room.len();
        // From the last digit to the first. Zero has one too.
        loop {
            start -= 1;
            room[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
            if rest == 0 {
                return &room[start..];
            }
        }
    }

    pub fn read(self) -> Option<Numbered> {
        match self.0 & 3 {
            0 => {
                let flight = Flight(u8::try_from((self.0 >> 2) & 15).expect("four bits"));
                Some(Numbered::Call { call: CallId(self.0 >> 6), flight })
            }
            2 => Some(Numbered::Own(self.0 >> 2)),
            _ => None,
        }
    }
}

// === impl Flight ===

impl Flight {
    /// The next one. After sixteen they begin again, when no answer to the first can come any more.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1) & 15)
    }
}

// === impl EventId ===

impl EventId {
    /// Reads an id that this bridge wrote, as a client hands it back.
    pub fn parse(text: &str) -> Option<Self> {
        let (stream, seq) = text.split_once('-')?;
        let stream = StreamId(u64::from_str_radix(stream, 16).ok()?);
        Some(Self { stream, seq: seq.parse().ok()? })
    }

    /// The id as it is sent, written to the end of `room`. Streams send many, so this is done by hand.
    pub fn write(self, room: &mut [u8; Self::LONGEST]) -> &str {
        let mut at = room.len();
        let mut put = |byte: u8| {
            at -= 1;
            room[at] = byte;
        };
        let mut seq = self.seq;
        while {
            put(b"0123456789"[(seq % 10) as usize]);
            seq /= 10;
            seq > 0
        } {}
        put(b'-');
        // Two digits at a time, and the zeros before them taken off again.
        for byte in self.stream.0.to_be_bytes().into_iter().rev() {
            let [first, second] = HEX[usize::from(byte)];
            put(second);
            put(first);
        }
        let zeros = (self.stream.0 | 1).leading_zeros() as usize / 4;
        at += zeros;
        std::str::from_utf8(&room[at..]).expect("digits are text")
    }

    /// Sixteen digits, a dash, and twenty.
    pub const LONGEST: usize = 37;
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; Self::LONGEST]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_as_they_were_written() {
        for text in ["7", "\"7\"", "7.0", "\"a-very-long-id-that-does-not-fit-inline\""] {
            assert_eq!(RawId::new(text).as_str(), text);
        }
        assert_ne!(RawId::new("7"), RawId::new("\"7\""));
        assert_eq!(size_of::<RawId>(), 24);
    }

    #[test]
    fn session_ids_read_back_and_do_not_show_themselves() {
        let id = SessionId([0x0a; 16]);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::parse("0a"), None);
        assert_eq!(SessionId::parse(&"+".repeat(32)), None);
        assert!(!format!("{id:?}").contains("0a"));
    }

    #[test]
    fn upstream_numbers_read_back_and_never_meet() {
        let call = CallId(7);
        let mut flight = Flight::default();
        for _ in 0..16 {
            let id = UpstreamId::call(call, flight);
            assert_eq!(id.read(), Some(Numbered::Call { call, flight }));
            flight = flight.next();
        }
        assert_eq!(flight, Flight::default());
        assert_eq!(UpstreamId::own(7).read(), Some(Numbered::Own(7)));
        assert_ne!(UpstreamId::call(CallId(1), Flight::default()), UpstreamId::GREETING);
        assert_eq!(UpstreamId(u64::MAX).digits(&mut [0; 20]), b"18446744073709551615");
        assert_eq!(UpstreamId(4).digits(&mut [0; 20]), b"4");
    }

    #[test]
    fn event_ids_read_back() {
        let id = EventId { stream: StreamId(0x2f), seq: 12 };
        assert_eq!(id.to_string(), "2f-12");
        for (stream, seq) in [(0, 0), (1, 10), (u64::MAX, u64::MAX)] {
            let id = EventId { stream: StreamId(stream), seq };
            assert_eq!(id.to_string(), format!("{stream:x}-{seq}"));
        }
        assert_eq!(EventId::parse("2f-12"), Some(id));
        assert_eq!(EventId::parse("2f"), None);
        assert_eq!(EventId::parse("x-1"), None);
    }

    #[test]
    fn server_names_are_plain_path_segments() {
        for good in ["git", "a", "server-everything", "x_1.2", &"n".repeat(64)] {
            assert_eq!(ServerName::new(good).unwrap().as_str(), good);
        }
        assert_eq!(ServerName::new(""), Err(BadServerName::Empty));
        assert_eq!(ServerName::new(".git"), Err(BadServerName::LeadingDot));
        assert_eq!(ServerName::new("a/b"), Err(BadServerName::Character('/')));
        assert_eq!(ServerName::new("größe"), Err(BadServerName::Character('ö')));
        assert_eq!(ServerName::new(&"n".repeat(65)), Err(BadServerName::TooLong(65)));
    }
}
