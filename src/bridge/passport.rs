//! What a session is, written into its id: an idle session costs no memory, and outlives the daemon, because its client keeps
//! it for us.

use std::sync::Arc;

use super::front::Principal;
use super::greeting::Hello;
use super::lane::AskSet;
use super::seal::{Keys, Nonce};
use crate::wire::id::{FrontId, ServerName};
use crate::wire::raw;
use crate::wire::version::Version;

/// A session, as its id tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passport {
    pub front: FrontId,
    /// When it began, in microseconds since 1970.
    pub born: u64,
    pub version: Version,
    pub client: Introduction,
}

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introduction {
    /// What matters where a child is shared: the questions it can answer, and its name for the log.
    Brief { declared: AskSet, name: Box<str> },
    /// The same of one that found no room for a child of its own, and stays where all others are.
    Guest { name: Box<str> },
    /// All of it, for a child of its own: the raw objects of its `initialize`.
    Full { capabilities: Box<str>, client_info: Box<str> },
}

/// The first byte of what is sealed.
const FORM: u8 = 1;

/// Bytes of a client's name in an id.
const NAME_MAX: usize = 48;

/// Bytes of a full introduction. Ids travel with every request, and some proxies take no more than 8 KiB of headers.
const FULL_MAX: usize = 1024;

const BRIEF: u8 = 0;
const FULL: u8 = 1;
const GUEST: u8 = 2;

// === impl Passport ===

impl Passport {
    /// The id of the session: nobody but this principal can use it, and on this server only.
    pub fn seal(
        &self,
        keys: &Keys,
        server: &ServerName,
        principal: &Principal,
        nonce: Nonce,
    ) -> String {
        keys.seal(&purpose(server, principal), nonce, &self.write())
    }

    /// The session behind an id, if it is one of this server and principal.
    pub fn open(keys: &Keys, server: &ServerName, principal: &Principal, id: &str) -> Option<Self> {
        Self::read(&keys.open(&purpose(server, principal), id)?)
    }

    fn write(&self) -> Vec<u8> {
        let version = Version::LEGACY.iter().position(|version| *version == self.version);
        let version = u8::try_from(version.expect("all versions are in it")).expect("they are few");
        let mut bytes = vec![FORM];
        bytes.extend(self.front.0.to_be_bytes());
        bytes.extend(self.born.to_be_bytes());
        bytes.push(version);
        match &self.client {
            Introduction::Brief { declared, name } => {
                bytes.extend([BRIEF, declared.bits()]);
                bytes.extend(name.as_bytes());
            }
            Introduction::Guest { name } => {
                bytes.push(GUEST);
                bytes.extend(name.as_bytes());
            }
            Introduction::Full { capabilities, client_info } => {
                bytes.push(FULL);
                let length = u16::try_from(capabilities.len()).expect("it is not that long");
                bytes.extend(length.to_be_bytes());
                bytes.extend(capabilities.as_bytes());
                bytes.extend(client_info.as_bytes());
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (front, rest) = rest.split_first_chunk()?;
        let (born, rest) = rest.split_first_chunk()?;
        let (&[version, kind], rest) = rest.split_first_chunk()?;
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Box::<str>::from);
        let client = match kind {
            BRIEF => {
                let (declared, name) = rest.split_first()?;
                Introduction::Brief { declared: AskSet::of_bits(*declared), name: text(name)? }
            }
            GUEST => Introduction::Guest { name: text(rest)? },
            FULL => {
                let (length, rest) = rest.split_first_chunk()?;
                let (capabilities, client_info) =
                    rest.split_at_checked(u16::from_be_bytes(*length).into())?;
                Introduction::Full {
                    capabilities: text(capabilities)?,
                    client_info: text(client_info)?,
                }
            }
            _ => return None,
        };
        Some(Self {
            front: FrontId(u128::from_be_bytes(*front)),
            born: u64::from_be_bytes(*born),
            version: *Version::LEGACY.get(usize::from(version))?,
            client,
        })
    }
}

/// A server's name has no zero byte in it, so no two pairs make the same text.
fn purpose(server: &ServerName, principal: &Principal) -> Vec<u8> {
    [b"session\0", server.as_str().as_bytes(), b"\0", principal.as_str().as_bytes()].concat()
}

// === impl Introduction ===

impl Introduction {
    /// For a session on a child that others use too.
    pub fn brief(hello: &Hello) -> Self {
        Self::Brief {
            declared: AskSet::declared(&hello.capabilities),
            name: shortened(&hello.client_name()),
        }
    }

    /// For a session with a child of its own. One that is too long is kept in brief.
    pub fn full(hello: &Hello) -> Self {
        if hello.capabilities.len() + hello.client_info.len() > FULL_MAX {
            return Self::brief(hello);
        }
        Self::Full {
            capabilities: hello.capabilities.clone(),
            client_info: hello.client_info.clone(),
        }
    }

    /// The same client without a child of its own, asked nothing.
    #[must_use]
    pub fn guest(&self) -> Self {
        Self::Guest { name: shortened(&self.name()) }
    }

    pub fn is_guest(&self) -> bool {
        matches!(self, Self::Guest { .. })
    }

    /// What the client calls itself, for the log.
    pub fn name(&self) -> String {
        match self {
            Self::Brief { name, .. } | Self::Guest { name } => name.clone().into(),
            Self::Full { client_info, .. } => Hello::client_name_of(client_info),
        }
    }

    pub fn declared(&self) -> AskSet {
        match self {
            Self::Brief { declared, .. } => *declared,
            Self::Guest { .. } => AskSet::default(),
            Self::Full { capabilities, .. } => AskSet::declared(capabilities),
        }
    }

    /// What a child is told that hears of its client with each request.
    pub fn retold(&self, version: Version) -> Arc<Hello> {
        match self {
            Self::Guest { .. } => Hello::nobody(),
            Self::Brief { declared, .. } if *declared == AskSet::default() => Hello::nobody(),
            Self::Brief { .. } | Self::Full { .. } => Arc::new(self.hello(version)),
        }
    }

    /// What a fresh child is told, as far as it is still known.
    pub fn hello(&self, version: Version) -> Hello {
        match self {
            Self::Brief { name, .. } | Self::Guest { name } => Hello {
                version,
                capabilities: self.declared().capabilities().into(),
                client_info: format!(r#"{{"name":{},"version":""}}"#, raw::quoted(name)).into(),
            },
            Self::Full { capabilities, client_info } => Hello {
                version,
                capabilities: capabilities.clone(),
                client_info: client_info.clone(),
            },
        }
    }
}

fn shortened(name: &str) -> Box<str> {
    let end = (0..=NAME_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name[..end.unwrap_or(0)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(capabilities: &str, client_info: &str) -> Hello {
        Hello {
            version: Version::V2025_06_18,
            capabilities: capabilities.into(),
            client_info: client_info.into(),
        }
    }

    fn passport(client: Introduction) -> Passport {
        Passport {
            front: FrontId::new(u64::MAX, 7),
            born: 12,
            version: Version::V2025_06_18,
            client,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let asks = hello(r#"{"roots":{},"experimental":{"x":1}}"#, r#"{"name":"c","version":"2"}"#);
        let brief = Introduction::brief(&asks);
        for client in [brief.guest(), brief, Introduction::full(&asks)] {
            let passport = passport(client);
            assert_eq!(Passport::read(&passport.write()), Some(passport));
        }
    }

    #[test]
    fn a_private_child_is_greeted_as_before_and_a_brief_one_nearly() {
        let asks = hello(r#"{"roots":{},"experimental":{"x":1}}"#, r#"{"name":"c","version":"2"}"#);
        let again = Introduction::full(&asks).hello(asks.version);
        assert_eq!(
            (&again.capabilities, &again.client_info),
            (&asks.capabilities, &asks.client_info)
        );
        let brief = Introduction::brief(&asks).hello(asks.version);
        assert_eq!(&*brief.capabilities, r#"{"roots":{}}"#);
        assert_eq!(&*brief.client_info, r#"{"name":"c 2","version":""}"#);
        let long = hello(&format!(r#"{{"sampling":{{"x":"{}"}}}}"#, "y".repeat(FULL_MAX)), "{}");
        assert_eq!(
            &*Introduction::full(&long).hello(long.version).capabilities,
            r#"{"sampling":{}}"#
        );
    }

    #[test]
    fn an_id_is_for_one_server_and_one_principal_and_not_too_long() {
        let keys = Keys::new(&[[9; 32]]).unwrap();
        let (git, time) = (ServerName::new("git").unwrap(), ServerName::new("time").unwrap());
        let (me, other) = (Principal::anonymous(), Principal::new("other"));
        let name = hello("{}", &format!(r#"{{"name":"{}","version":"1"}}"#, "n".repeat(200)));
        let id = passport(Introduction::brief(&name)).seal(&keys, &git, &me, [1; 24]);
        assert!(id.len() <= 200, "{} characters", id.len());
        assert!(Passport::open(&keys, &git, &me, &id).is_some());
        assert!(Passport::open(&keys, &time, &me, &id).is_none());
        assert!(Passport::open(&keys, &git, &other, &id).is_none());
    }

    #[test]
    fn what_is_not_understood_is_no_passport() {
        let sound = passport(Introduction::full(&hello("{}", "{}"))).write();
        for end in 0..sound.len() - 2 {
            assert_eq!(Passport::read(&sound[..end]), None, "cut at {end}");
        }
        for (place, odd) in [(0, 2), (25, 99), (26, 3), (27, 255)] {
            let mut bytes = sound.clone();
            bytes[place] = odd;
            assert_eq!(Passport::read(&bytes), None, "{odd} at {place}");
        }
    }
}
