//! What a child sees of our environment: little, so that secrets of the host do not leak into every server.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::config::model::Server;

/// Variables every child gets if we have them.
const SAFE: [&str; 25] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TMPDIR",
    // Behind a proxy with a certificate authority of its own, nothing works without these.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    // Where a package runner keeps what it fetched, if that was moved.
    "npm_config_cache",
    "UV_CACHE_DIR",
    "PIP_CACHE_DIR",
];

const SAFE_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// The environment of a child, of what is ours: the safe set and what the configuration passes on, then the server's own values,
/// among which the loader has put those of its files.
pub(super) fn compose(
    server: &Server,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> =
        ours.filter(|(name, _)| passes(name, &server.pass_env)).collect();
    let own = server.env.iter();
    environment.extend(own.map(|(name, value)| (name.into(), value.expose().into())));
    environment
}

fn passes(name: &OsStr, pass_env: &[String]) -> bool {
    let Some(name) = name.to_str() else { return false };
    SAFE.contains(&name)
        || SAFE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || pass_env.iter().any(|passed| passed == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> OsString {
        text.into()
    }

    #[test]
    fn only_the_safe_set_and_what_is_named_is_handed_on() {
        let server = Server {
            pass_env: vec!["EDITOR".into()],
            env: [("LANG".to_owned(), "de".into())].into(),
            ..Server::default()
        };
        let ours = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("LANG", "C"),
            ("EDITOR", "vi"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("CREDENTIALS_DIRECTORY", "/run"),
            ("NOTIFY_SOCKET", "/run/x"),
        ];
        let environment = compose(&server, ours.iter().map(|(name, value)| (os(name), os(value))));
        let expected: BTreeMap<OsString, OsString> =
            [("PATH", "/bin"), ("LC_ALL", "C"), ("LANG", "de"), ("EDITOR", "vi")]
                .map(|(name, value)| (os(name), os(value)))
                .into();
        assert_eq!(environment, expected);
    }
}
