//! The handshake with a child, and what the child said it can do.
//!
//! Today a child is greeted with `initialize`. Children of the modern era, which have no handshake, will be probed here
//! before that: the probe goes where [`Greeting::open`] makes its first line.

mod abilities;
mod hello;

use std::sync::Arc;

use bytes::Bytes;

pub use self::abilities::{Abilities, Lists};
pub use self::hello::Hello;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::UpstreamId;

/// A handshake under way.
#[derive(Debug)]
pub struct Greeting;

/// What a child's line meant for the handshake.
#[derive(Debug)]
pub enum Heard {
    /// Not part of it.
    Nothing,
    Ready(Box<Abilities>),
    /// The child answered, and it cannot be used.
    Failed(Arc<str>),
}

/// The id of the handshake. Calls have other numbers, see [`UpstreamId`].
const GREETING: UpstreamId = UpstreamId::GREETING;

// === impl Greeting ===

impl Greeting {
    /// The first line for a fresh child.
    pub fn open(hello: &Hello) -> Bytes {
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{},"clientInfo":{}}}}}"#,
            GREETING.0, hello.version, hello.capabilities, hello.client_info
        )
        .into()
    }

    /// The line that ends a handshake.
    pub fn close() -> Bytes {
        Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// Looks at a line of a child that has not been found ready. `shared` children lose what cannot be shared.
    pub fn hear(frame: &Frame, shared: bool) -> Heard {
        if frame.id_number() != Some(GREETING.0) {
            return Heard::Nothing;
        }
        let payload = frame.payload().unwrap_or("");
        match frame.kind() {
            Kind::Request | Kind::Notification => Heard::Nothing,
            Kind::Error => {
                Heard::Failed(format!("it answered initialize with the error {payload}").into())
            }
            Kind::Result => match Abilities::of_initialize(payload, shared) {
                Some(abilities) => Heard::Ready(Box::new(abilities)),
                None => Heard::Failed(
                    "its answer to initialize has no protocolVersion and capabilities".into(),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::meta::Params;

    fn hear(text: &str, shared: bool) -> Heard {
        Greeting::hear(&Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap(), shared)
    }

    #[test]
    fn other_lines_are_nothing_and_bad_answers_fail() {
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#, true), Heard::Nothing));
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","method":"x"}"#, true), Heard::Nothing));
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true), Heard::Failed(_)));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m"}}"#;
        let Heard::Failed(why) = hear(error, true) else { panic!("an error is a failure") };
        assert!(why.contains("-32022"));
    }

    #[test]
    fn a_client_is_introduced_as_it_introduced_itself() {
        let params = r#"{"protocolVersion":"2026-07-28","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}"#;
        let hello = Hello::of_client(&Params::of(Some(params)));
        let line = Greeting::open(&hello);
        assert_eq!(
            line,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}}"#
        );
    }
}
