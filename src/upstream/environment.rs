//! What a child sees of our environment: little, so that secrets of the host do not leak into every server.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

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

/// The environment of a child, of what is ours: the safe set, what the configuration passes on, its files, its own values, each
/// winning over the ones before.
pub(super) fn compose(
    server: &Server,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<OsString, OsString>, (PathBuf, std::io::Error)> {
    let mut environment: BTreeMap<OsString, OsString> =
        ours.filter(|(name, _)| passes(name, &server.pass_env)).collect();
    for path in &server.env_file {
        let text = std::fs::read_to_string(path).map_err(|error| (path.clone(), error))?;
        environment.extend(assignments(&text));
    }
    let own = server.env.iter();
    environment.extend(own.map(|(name, value)| (name.into(), value.expose().into())));
    Ok(environment)
}

fn passes(name: &OsStr, pass_env: &[String]) -> bool {
    let Some(name) = name.to_str() else { return false };
    SAFE.contains(&name)
        || SAFE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || pass_env.iter().any(|passed| passed == name)
}

/// The `KEY=value` lines of a file, as systemd and container engines read them: comments and `export` are skipped, one pair of
/// quotes around a value is taken off.
fn assignments(text: &str) -> impl Iterator<Item = (OsString, OsString)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(value);
        Some((name.trim().into(), unquoted.into()))
    })
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
        let environment =
            compose(&server, ours.iter().map(|(name, value)| (os(name), os(value)))).unwrap();
        let expected: BTreeMap<OsString, OsString> =
            [("PATH", "/bin"), ("LC_ALL", "C"), ("LANG", "de"), ("EDITOR", "vi")]
                .map(|(name, value)| (os(name), os(value)))
                .into();
        assert_eq!(environment, expected);
    }

    #[test]
    fn files_of_assignments_are_read_as_elsewhere() {
        let text = "# c\nA=1\nexport B = \"two words\" \n\nC='x=y'\nnonsense\n";
        let read: Vec<(OsString, OsString)> = assignments(text).collect();
        assert_eq!(read, [(os("A"), os("1")), (os("B"), os("two words")), (os("C"), os("x=y"))]);
    }
}
