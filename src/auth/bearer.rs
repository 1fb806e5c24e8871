//! Static bearer tokens. Only their hashes are kept, and hashes are compared in constant time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::bridge::front::Principal;
use crate::config::model::{Auth, Push, Server};
use crate::wire::id::ServerName;

/// All tokens that open anything here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bearers {
    tokens: Vec<Bearer>,
}

#[derive(Debug)]
struct Bearer {
    principal: Principal,
    name: String,
    hash: [u8; 32],
    servers: Vec<String>,
    push: Option<Push>,
    /// Set when it opens less than before: what was opened with it ends.
    revoked: CancellationToken,
    /// Set then too, and when it says otherwise of push: streams that only listen end.
    silenced: CancellationToken,
}

/// What a good token grants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a>(&'a Bearer);

/// A token file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("the token file {0:?} of {1:?} cannot be read: {2}")]
    Unreadable(PathBuf, String, std::io::Error),
    #[error("the token file {0:?} of {1:?} is empty")]
    Empty(PathBuf, String),
}

// === impl Bearers ===

impl Bearers {
    /// Reads the token files.
    pub(crate) fn read(auth: &Auth) -> Result<Self, BadToken> {
        let read = |token: &crate::config::model::Token| {
            let (file, name) = (token.file.clone(), token.name.clone());
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => return Err(BadToken::Unreadable(file, name, error)),
            };
            let secret = text.lines().next().unwrap_or("").trim();
            if secret.is_empty() {
                return Err(BadToken::Empty(file, name));
            }
            Ok(Bearer::new(name, secret, token.servers.clone(), token.push))
        };
        Ok(Self { tokens: auth.tokens.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Follows another set: what was opened with tokens that are the same here goes on, as long as they open all `servers`
    /// which they opened `before`. What was opened with others ends.
    pub(crate) fn follow(
        &mut self,
        old: &Self,
        before: &BTreeMap<ServerName, Server>,
        servers: &BTreeMap<ServerName, Server>,
    ) {
        for old in &old.tokens {
            let opens = |servers: &BTreeMap<ServerName, Server>, name: &ServerName| {
                servers.get(name).is_some_and(|server| Grant(old).opens(name, server))
            };
            // What a server that is gone had open ends with it.
            let narrowed = |name: &ServerName| {
                servers.contains_key(name) && opens(before, name) && !opens(servers, name)
            };
            let same = self.tokens.iter_mut().find(|new| new.opens_as(old));
            match same.filter(|_| !before.keys().any(narrowed)) {
                Some(new) => new.succeed(old),
                None => old.revoked.cancel(),
            }
        }
    }

    /// Ends everything that was opened with a token: tokens mean nothing any more.
    pub(crate) fn revoke_all(&self) {
        for bearer in &self.tokens {
            bearer.revoked.cancel();
        }
    }

    /// Whom an `Authorization` header stands for.
    pub(crate) fn check(&self, authorization: Option<&[u8]>) -> Option<Grant<'_>> {
        let (scheme, secret) = authorization?.split_at_checked("Bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(secret.trim_ascii()).into();
        // All are compared, so that time does not tell which one came close.
        let mut found = None;
        for bearer in &self.tokens {
            if bool::from(bearer.hash.ct_eq(&hash)) {
                found = Some(Grant(bearer));
            }
        }
        found
    }
}

// === impl Bearer ===

impl Bearer {
    fn new(name: String, secret: &str, servers: Vec<String>, push: Option<Push>) -> Self {
        let revoked = CancellationToken::new();
        Self {
            principal: Principal::new(&name),
            name,
            hash: Sha256::digest(secret).into(),
            servers,
            push,
            silenced: revoked.child_token(),
            revoked,
        }
    }

    /// Whether it is the same secret of the same holder, for the same servers.
    fn opens_as(&self, other: &Self) -> bool {
        let Self { principal, name, hash, servers, push: _, revoked: _, silenced: _ } = self;
        *principal == other.principal
            && *name == other.name
            && *hash == other.hash
            && *servers == other.servers
    }

    /// Takes over what was opened with it before.
    fn succeed(&mut self, old: &Self) {
        self.revoked = old.revoked.clone();
        self.silenced = if self.push == old.push {
            old.silenced.clone()
        } else {
            old.silenced.cancel();
            self.revoked.child_token()
        };
    }
}

impl PartialEq for Bearer {
    fn eq(&self, other: &Self) -> bool {
        self.opens_as(other) && self.push == other.push
    }
}

impl Eq for Bearer {}

// === impl Grant ===

impl<'a> Grant<'a> {
    pub(crate) fn principal(self) -> &'a Principal {
        &self.0.principal
    }

    /// Set when it is taken back.
    pub(crate) fn revoked(self) -> &'a CancellationToken {
        &self.0.revoked
    }

    /// Set when it is taken back, or its holder is to have streams no longer, or again.
    pub(crate) fn silenced(self) -> &'a CancellationToken {
        &self.0.silenced
    }

    /// What it says of push, whatever the server does.
    pub(crate) fn push(self) -> Option<Push> {
        self.0.push
    }

    /// Whether both the token and the server allow it.
    pub(crate) fn opens(self, name: &ServerName, server: &Server) -> bool {
        opens(&self.0.name, &self.0.servers, name, server)
    }
}

/// Whether a token of this name that names these servers opens one of them.
pub(crate) fn opens(token: &str, servers: &[String], name: &ServerName, server: &Server) -> bool {
    let by_token = servers.iter().any(|open| open == "*" || open == name.as_str());
    let by_server = server.tokens.is_empty() || server.tokens.iter().any(|open| open == token);
    by_token && by_server
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Token;

    fn bearers(tokens: &[(&str, &str, &[&str])]) -> Bearers {
        let tokens = tokens.iter().map(|(name, secret, servers)| {
            let servers = servers.iter().map(|server| (*server).to_owned()).collect();
            Bearer::new((*name).to_owned(), secret, servers, None)
        });
        Bearers { tokens: tokens.collect() }
    }

    #[test]
    fn only_the_exact_token_is_taken() {
        let bearers = bearers(&[("a", "secret", &["*"]), ("b", "other", &["*"])]);
        let name = |header: &str| {
            bearers.check(Some(header.as_bytes())).map(|grant| grant.principal().to_string())
        };
        assert_eq!(name("Bearer secret").as_deref(), Some("a"));
        assert_eq!(name("bearer other").as_deref(), Some("b"));
        for bad in ["Bearer secre", "Bearer secrets", "Basic secret", "Bearer", "secret", "Bearer "]
        {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        assert!(bearers.check(None).is_none());
    }

    #[test]
    fn token_and_server_must_agree() {
        let bearers = bearers(&[("a", "x", &["git"]), ("b", "y", &["*"])]);
        let git = ServerName::new("git").unwrap();
        let time = ServerName::new("time").unwrap();
        let open = Server::default();
        let narrow = Server { tokens: vec!["b".into()], ..Server::default() };
        let (a, b) =
            (bearers.check(Some(b"Bearer x")).unwrap(), bearers.check(Some(b"Bearer y")).unwrap());
        assert!(a.opens(&git, &open) && !a.opens(&time, &open) && !a.opens(&git, &narrow));
        assert!(b.opens(&time, &open) && b.opens(&git, &narrow));
    }

    #[test]
    fn a_file_gives_its_first_line_and_a_bad_one_is_named() {
        let folder = std::env::temp_dir().join(format!("stdiod-bearer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let read = |content: Option<&str>| {
            let file = folder.join("token");
            std::fs::remove_file(&file).ok();
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let token = Token { name: "t".into(), file, servers: vec!["*".into()], push: None };
            Bearers::read(&Auth { tokens: vec![token] })
        };
        assert!(read(Some(" s3cret \nrest")).unwrap().check(Some(b"Bearer s3cret")).is_some());
        assert!(matches!(read(Some("\n")), Err(BadToken::Empty(..))));
        assert!(matches!(read(None), Err(BadToken::Unreadable(..))));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_token_opened_ends_when_it_is_changed_or_opens_less() {
        let servers = |tokens: &[&str]| {
            let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
            let git = Server { tokens, ..Server::default() };
            BTreeMap::from([(ServerName::new("git").unwrap(), git)])
        };
        let ended = |old: &Bearers| -> Vec<bool> {
            old.tokens.iter().map(|bearer| bearer.revoked.is_cancelled()).collect()
        };
        let (all, only_b) = (servers(&[]), servers(&["b"]));
        let three = [("a", "1", &["*"][..]), ("b", "2", &["*"]), ("c", "3", &["time"])];
        let old = bearers(&three);
        let mut more = bearers(&[three[2], three[1], three[0], ("d", "4", &["*"])]);
        more.follow(&old, &all, &all);
        assert_eq!(ended(&old), [false, false, false], "more tokens take nothing away");
        bearers(&three).follow(&more, &all, &only_b);
        assert_eq!(ended(&old), [true, false, false], "a opens less, and c never opened it");
        let old = bearers(&three);
        bearers(&[("a", "9", &["*"]), three[1]]).follow(&old, &all, &all);
        assert_eq!(ended(&old), [true, false, true]);
    }

    #[test]
    fn what_a_token_says_of_push_ends_streams_that_listen_and_nothing_else() {
        let servers = BTreeMap::from([(ServerName::new("git").unwrap(), Server::default())]);
        let with = |push| {
            let mut bearers = bearers(&[("a", "1", &["*"]), ("b", "2", &["*"])]);
            bearers.tokens[0].push = push;
            bearers
        };
        let ended = |bearers: &Bearers| -> Vec<(bool, bool)> {
            let ended = |one: &Bearer| (one.revoked.is_cancelled(), one.silenced.is_cancelled());
            bearers.tokens.iter().map(ended).collect()
        };
        let (old, mut off, mut on) = (with(None), with(Some(Push::Off)), with(Some(Push::On)));
        assert_ne!(old, off);
        off.follow(&old, &servers, &servers);
        assert_eq!(ended(&old), [(false, true), (false, false)]);
        assert_eq!(ended(&off), [(false, false), (false, false)], "which begins anew");
        let grant = off.check(Some(b"Bearer 1")).unwrap();
        assert_eq!(grant.push(), Some(Push::Off));
        assert_eq!(off.check(Some(b"Bearer 2")).unwrap().push(), None);
        on.follow(&off, &servers, &servers);
        assert_eq!(ended(&off)[0], (false, true));
        on.revoke_all();
        assert_eq!(ended(&on), [(true, true), (true, true)]);
        assert!(ended(&old)[0].0, "all that was ever opened with it");
    }
}
