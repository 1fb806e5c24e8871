//! What a child is sent to greet it.

use bytes::Bytes;

use super::Hello;
use crate::wire::id::{RawId, UpstreamId};
use crate::wire::meta::key;
use crate::wire::version::Version;

/// The id of `initialize`. Calls have other numbers, see [`UpstreamId`].
pub(super) const GREETING: u64 = UpstreamId::GREETING.0;

/// The ids of probes but for their number: no call has a text for an id.
const PROBE: &str = "stdiod-probe-";

pub(super) fn initialize(hello: &Hello) -> Bytes {
    let Hello { version, capabilities, client_info } = hello;
    format!(
        r#"{{"jsonrpc":"2.0","id":{GREETING},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{client_info}}}}}"#
    )
    .into()
}

/// The probe with this number. Each has an id of its own.
pub(super) fn probe(hello: &Hello, number: u8) -> Bytes {
    let Hello { capabilities, client_info, .. } = hello;
    let version = Version::MODERN;
    let [says, could, who] = [key::PROTOCOL_VERSION, key::CLIENT_CAPABILITIES, key::CLIENT_INFO];
    format!(
        r#"{{"jsonrpc":"2.0","id":"{PROBE}{number}","method":"server/discover","params":{{"_meta":{{"{says}":"{version}","{could}":{capabilities},"{who}":{client_info}}}}}}}"#
    )
    .into()
}

/// The number of the probe with this id.
pub(super) fn probe_number(id: &RawId) -> Option<u8> {
    id.as_str().strip_prefix('"')?.strip_suffix('"')?.strip_prefix(PROBE)?.parse().ok()
}
