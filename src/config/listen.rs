//! Addresses to listen on, parsed where they enter.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where a listener stands: `IP:PORT`, `localhost:PORT` or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A text that is no address to listen on, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadListen {
    #[error("it names no port; write \"{0}:8750\"")]
    NoPort(String),
    #[error("it names no address; write \"127.0.0.1:{0}\"")]
    OnlyPort(String),
    #[error("{0:?} is no port; ports are numbers up to 65535")]
    Port(String),
    #[error("{0:?} is no IP address; host names other than localhost are not looked up")]
    Name(String),
    #[error("an IPv6 address stands in brackets; write \"[{0}]:8750\"")]
    Brackets(String),
    #[error("a listener has no scheme or path; write \"{0}\"")]
    Url(String),
    #[error("the path of a Unix socket is absolute; write \"unix:/run/stdiod/http.sock\"")]
    RelativePath,
    #[error("the path of a Unix socket has at most 107 bytes, this one has {0}")]
    LongPath(usize),
    #[error("it is empty; write \"127.0.0.1:8750\" or \"unix:/run/stdiod/http.sock\"")]
    Empty,
}

/// The size of `sun_path` without its end mark.
const UNIX_PATH_BYTES_MAX: usize = 107;

// === impl ListenAddr ===

impl ListenAddr {
    /// Where `stdiod` listens when nothing else is said.
    pub const DEFAULT: Self =
        Self::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8750)));

    pub fn parse(text: &str) -> Result<Self, BadListen> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadListen::Empty);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x` is the URL habit; the extra slashes are harmless.
            return Self::unix(path.strip_prefix("//").unwrap_or(path));
        }
        if let Some((_, rest)) = text.split_once("://") {
            return Err(BadListen::Url(rest.split('/').next().unwrap_or(rest).to_owned()));
        }
        if text.starts_with('/') {
            return Err(BadListen::Url(format!("unix:{text}")));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Tcp(address));
        }
        if text.chars().all(|c| c.is_ascii_digit()) {
            return Err(BadListen::OnlyPort(text.to_owned()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Err(match ip {
                IpAddr::V4(_) => BadListen::NoPort(text.to_owned()),
                IpAddr::V6(_) => BadListen::Brackets(text.to_owned()),
            });
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(BadListen::NoPort(text.to_owned()));
        };
        if host.is_empty() {
            return Err(BadListen::OnlyPort(port.to_owned()));
        }
        let port = port.parse().map_err(|_| BadListen::Port(port.to_owned()))?;
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        Err(BadListen::Name(host.to_owned()))
    }

    /// Whether only this host can reach it. A Unix socket is guarded by its directory and mode.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => match address.ip() {
                IpAddr::V4(ip) => ip.is_loopback(),
                IpAddr::V6(ip) => {
                    ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
                }
            },
            Self::Unix(_) => true,
        }
    }

    /// Whether the two cannot both be bound. Port 0 is a new port each time.
    pub fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one), Self::Unix(two)) => one == two,
            (Self::Tcp(one), Self::Tcp(two)) => {
                let everywhere = one.ip().is_unspecified() || two.ip().is_unspecified();
                let same_family = one.is_ipv4() == two.is_ipv4();
                one.port() != 0
                    && one.port() == two.port()
                    && (one.ip() == two.ip() || (everywhere && same_family))
            }
            (Self::Unix(_), Self::Tcp(_)) | (Self::Tcp(_), Self::Unix(_)) => false,
        }
    }

    fn unix(path: &str) -> Result<Self, BadListen> {
        if !Path::new(path).is_absolute() {
            return Err(BadListen::RelativePath);
        }
        if path.len() > UNIX_PATH_BYTES_MAX {
            return Err(BadListen::LongPath(path.len()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl FromStr for ListenAddr {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = BadListen;

    fn try_from(text: String) -> Result<Self, BadListen> {
        Self::parse(&text)
    }
}

impl From<ListenAddr> for String {
    fn from(address: ListenAddr) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl JsonSchema for ListenAddr {
    fn schema_name() -> Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An address such as \"127.0.0.1:8750\", \"[::1]:8750\" or \"unix:/run/stdiod/http.sock\".",
            "pattern": "^\\s*(unix:/.+|(\\[[0-9A-Fa-f:.]+\\]|[0-9.]+|[Ll]ocalhost):[0-9]{1,5})\\s*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, shown, loopback) in [
            ("127.0.0.1:8750", "127.0.0.1:8750", true),
            (" [::1]:0 ", "[::1]:0", true),
            ("localhost:80", "127.0.0.1:80", true),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true),
            ("unix:/run/s.sock", "unix:/run/s.sock", true),
            ("unix:///run/s.sock", "unix:/run/s.sock", true),
            ("0.0.0.0:8750", "0.0.0.0:8750", false),
            ("[::]:8750", "[::]:8750", false),
            ("192.168.1.7:1", "192.168.1.7:1", false),
        ] {
            let address = ListenAddr::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.is_loopback()), (shown, loopback));
        }
    }

    #[test]
    fn bad_addresses_say_what_to_write() {
        let check = |text: &str, says: &str| {
            let error = ListenAddr::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        };
        check("8750", "write \"127.0.0.1:8750\"");
        check(":8750", "write \"127.0.0.1:8750\"");
        check("127.0.0.1", "write \"127.0.0.1:8750\"");
        check("::1", "write \"[::1]:8750\"");
        check("http://127.0.0.1:8750/mcp", "write \"127.0.0.1:8750\"");
        check("/run/s.sock", "write \"unix:/run/s.sock\"");
        check("unix:s.sock", "absolute");
        check("127.0.0.1:70000", "up to 65535");
        check("example.com:80", "not looked up");
        check("", "it is empty");
    }

    #[test]
    fn clashes_are_seen_through_wildcards() {
        let clash = |one: &str, two: &str| {
            ListenAddr::parse(one).unwrap().clashes(&ListenAddr::parse(two).unwrap())
        };
        assert!(clash("127.0.0.1:1", "localhost:1"));
        assert!(clash("0.0.0.0:1", "127.0.0.1:1"));
        assert!(clash("unix:/a", "unix:/a"));
        assert!(!clash("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!clash("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!clash("[::1]:1", "127.0.0.1:1"));
    }
}
